import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { loadTokenizer } from '../memory/compaction/count-tokens.ts';
import { tokensOfText } from './tokens-of-text.ts';

const bytes = Buffer.concat(
  Array.from({ length: 100 }, (_, n) => createHash('sha256').update(String(n)).digest()),
);
const texts: Readonly<Record<string, string>> = {
  English:
    'Before a model is asked, what it may cost is held back, so that runs which share a budget cannot pass it together. Nobody waits for long.',
  German:
    'Die Donaudampfschifffahrtsgesellschaft hat ihre Betriebsgenehmigung für Überführungen zurückgezogen; die Anträge bleiben gültig.',
  French: "L'été dernier, nous avons été très étonnés d'apprendre que l'économie n'avait pas été affectée.",
  Vietnamese: 'Hôm nay thời tiết rất đẹp nên chúng tôi quyết định đi dạo trong công viên.',
  Russian: 'Сегодня очень хорошая погода, поэтому мы решили пойти гулять в парк.',
  Arabic: 'الطقس جميل جدا اليوم، لذلك قررنا الذهاب في نزهة في الحديقة.',
  Hindi: 'आज मौसम बहुत अच्छा है, इसलिए हमने पार्क में टहलने जाने का फैसला किया।',
  Thai: 'วันนี้อากาศดีมาก เราจึงตัดสินใจไปเดินเล่นในสวนสาธารณะ',
  Chinese: '今天的天气非常好，我们决定去公园散步。孩子们在草地上奔跑，老人们坐在长椅上聊天。',
  Japanese: '今日はとても天気が良いので、公園に散歩に行くことにしました。',
  Georgian: 'დღეს ძალიან კარგი ამინდია, ამიტომ გადავწყვიტეთ პარკში გასეირნება.',
  Sinhala: 'අද කාලගුණය ඉතා හොඳයි, එබැවින් අපි උද්‍යානයේ ඇවිදින්න තීරණය කළෙමු.',
  Burmese: 'ဒီနေ့ ရာသီဥတု အရမ်းကောင်းတာကြောင့် ပန်းခြံမှာ လမ်းလျှောက်ဖို့ ဆုံးဖြတ်ခဲ့တယ်။',
  Lao: 'ມື້ນີ້ອາກາດດີຫຼາຍ ພວກເຮົາຈຶ່ງຕັດສິນໃຈໄປຍ່າງຫຼິ້ນໃນສວນສາທາລະນະ.',
  Tibetan: 'དེ་རིང་གནམ་གཤིས་ཧ་ཅང་ཡག་པོ་འདུག',
  Amharic: 'ዛሬ የአየር ሁኔታው በጣም ጥሩ ስለሆነ በፓርኩ ውስጥ ለመራመድ ወሰንን።',
  Cherokee: 'ᎣᏏᏲ ᎣᎩᏅᏏ ᏔᎵᏚ ᏣᎳᎩ',
  mathematics: '∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, α ∧ ¬β ⇒ ∮∂Ω',
  Braille: '⠓⠑⠇⠇⠕⠀⠺⠕⠗⠇⠙',
  marks: 'Z̸̧̛a̶̢l̷̡g̸o̵̕'.repeat(20),
  indentation: 'a\n        b\n                c\n'.repeat(100),
  'blanks of all kinds': ' \n\t'.repeat(1_000),
  'control characters': '\u0001\u0002\u0000'.repeat(200),
  Korean: '오늘은 날씨가 매우 좋아서 공원에 산책하러 가기로 했습니다.',
  'a program': readFileSync(new URL('./tokens-of-text.ts', import.meta.url), 'utf8'),
  JSON: readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  numbers: JSON.stringify([...bytes].map((byte, n) => (byte * 7919 * n) / 13)),
  CSV: [...bytes].map((byte, n) => `2026-11-${n % 30},user${n},${byte * 37.5},true,Berlin`).join('\n'),
  base64: bytes.toString('base64'),
  hex: bytes.toString('hex'),
};

describe('the tokens of a text, estimated', () => {
  for (const [name, text] of Object.entries(texts)) {
    it(`are not fewer than the tokenizer counts, and at most two and a half times as many: ${name}`, async () => {
      const count = await loadTokenizer();
      const [counted, estimated] = [count(text), tokensOfText(text)];
      assert.ok(estimated >= counted && estimated <= 2.5 * counted, `${estimated} for ${counted}`);
    });
  }

  it('of a long text are about those of its parts', () => {
    const { English = '', base64 = '' } = texts;
    for (const text of [English, base64]) {
      const ratio = tokensOfText(text.repeat(1_000)) / (1_000 * tokensOfText(text));
      assert.ok(ratio > 0.95 && ratio < 1.05, String(ratio));
    }
    assert.equal(tokensOfText(''), 0);
  });
});
