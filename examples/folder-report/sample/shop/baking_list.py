"""Prints what to bake tomorrow, most pieces first."""

import csv
import sys
from collections import Counter
from datetime import date, timedelta


def baking_list(path: str, day: date) -> Counter:
    pieces: Counter = Counter()
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if date.fromisoformat(row["day"]) == day:
                pieces[row["item"]] += int(row["pieces"])
    return pieces


if __name__ == "__main__":
    tomorrow = date.today() + timedelta(days=1)
    for item, count in baking_list(sys.argv[1], tomorrow).most_common():
        print(f"{count:4}  {item}")
