"""Small turns of phrase that several answers share."""


def count(number: int, noun: str) -> str:
    """Return a number with its noun in the right form.

    >>> count(1, "pixel"), count(1681, "pixel")
    ('1 pixel', '1,681 pixels')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
