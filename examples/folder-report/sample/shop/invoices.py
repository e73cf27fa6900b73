"""Writes one invoice per customer and month."""

import argparse
import csv
from collections import defaultdict
from datetime import date
from pathlib import Path

from prices import price


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("orders", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    lines = defaultdict(list)
    for path in options.orders:
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                day = date.fromisoformat(row["day"])
                cents = price(row["item"], day) * int(row["pieces"])
                lines[row["customer"], day.strftime("%Y-%m")].append((day, row["item"], row["pieces"], cents))

    options.out.mkdir(parents=True, exist_ok=True)
    for (customer, month), items in lines.items():
        # TODO: number the invoices without gaps, the tax office asks for it
        target = options.out / f"{month} {customer}.txt"
        total = sum(cents for *_, cents in items)
        rows = [f"{day}  {pieces:>3} x {item:<16} {cents / 100:8.2f}" for day, item, pieces, cents in sorted(items)]
        target.write_text("\n".join([customer, *rows, f"total {total / 100:.2f}", ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
