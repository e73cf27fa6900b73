"""Prices in cents. A price counts from its date on."""

from datetime import date

PRICES = {
    "rye loaf": [(date(2025, 1, 1), 480), (date(2025, 9, 1), 520)],
    "baguette": [(date(2025, 1, 1), 220)],
    "plum cake": [(date(2025, 7, 1), 380)],
    "cinnamon roll": [(date(2025, 1, 1), 260), (date(2025, 10, 1), 280)],
}


def price(item: str, day: date) -> int:
    """The price of one piece on that day. Raises KeyError for an unknown item."""
    valid = [cents for since, cents in PRICES[item] if since <= day]
    # TODO: say something better when an item was not sold yet on that day
    return valid[-1]
