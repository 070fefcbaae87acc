"""Shares in words and whole numbers: the one rule of every page, card, table, advice and line.

A share that is not 1 never reads as all, and one that is not 0 never as none: 0.9996 is "> 99 %", not "100 %". A share
told as "so many of 100" is rounded towards the bad news: found and spared down, so missed and false alarms up. Where
the counts are known they are told as well ("239 of 240"). ``apps/web/src/texts/shares.ts`` holds the same rule.
"""

from __future__ import annotations

import math

_EXACT = 1e-9
"""What 100 times a share may lack of the whole number that it stands for: 100 * 0.29 is a little under 29."""


def hundredths(share: float, digits: int = 0) -> str:
    """A share in per cent, without the sign; for tables whose head has it.

    >>> hundredths(0.384), hundredths(0.9996, 1), hundredths(0.0004, 1)
    ('38', '> 99.9', '< 0.1')
    """
    return _between(share, f"{share:.{digits}%}".rstrip("%"), 100, digits)


def percent(share: float, digits: int = 0) -> str:
    """A share in per cent.

    >>> percent(0.384), percent(0.9999), percent(0.0001), percent(1.0)
    ('38 %', '> 99 %', '< 1 %', '100 %')
    """
    return f"{hundredths(share, digits)} %"


def thousandths(share: float) -> str:
    """A share as so many of 1,000; with digits after the point where they are few.

    >>> thousandths(0.4861), thousandths(0.0013), thousandths(0.00013), thousandths(0.000001), thousandths(0.9999)
    ('486', '1.3', '0.13', '< 0.01', '> 999')
    """
    digits = 0 if share >= 0.01 or not share else 1 if share >= 0.001 else 2
    return _between(share, f"{1000 * share:.{digits}f}", 1000, digits)


def fraction(share: float, digits: int = 3) -> str:
    """A share, or an area under a curve, as a decimal number.

    >>> fraction(0.876), fraction(0.99996), fraction(0.0)
    ('0.876', '> 0.999', '0.000')
    """
    return _between(share, f"{share:.{digits}f}", 1, digits)


def of_hundred(share: float) -> int:
    """A share of good news as "so many of 100", rounded down; 100 less it is the bad news, rounded up.

    >>> of_hundred(239 / 240), of_hundred(0.004), of_hundred(0.29), of_hundred(1.0)
    (99, 1, 29, 100)
    """
    whole = math.floor(100 * share + _EXACT)
    return min(99, max(1, whole)) if 0 < share < 1 else whole


def setting(share: float) -> str:
    """A share that somebody chose, such as a target or a threshold: with three digits that count.

    >>> setting(0.95), setting(0.975), setting(0.00042), setting(0.99998)
    ('95 %', '97.5 %', '0.042 %', '99.998 %')
    """
    rarer = 100 * min(share, 1 - share)
    digits = max(2 - math.floor(math.log10(rarer)), 0) if rarer > 0 else 0
    text = f"{100 * share:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if digits else text} %"


def told_apart(*shares: float) -> tuple[str, ...]:
    """Shares that a reader compares, in per cent, with as many digits as tell them apart; three at most.

    >>> told_apart(0.25, 0.3), told_apart(0.0438, 0.0442)
    (('25 %', '30 %'), ('4.38 %', '4.42 %'))
    """
    for digits in range(4):
        texts = tuple(percent(share, digits) for share in shares)
        if len(set(texts)) == len(set(shares)):
            break
    return texts


def _between(share: float, rounded: str, whole: int, digits: int) -> str:
    """``rounded``, unless it would hide that a share is more than none and less than all."""
    least = 10.0**-digits
    if 0 < share < least / whole:
        return f"< {least:.{digits}f}"
    if 1 - least / whole < share < 1:
        return f"> {whole - least:.{digits}f}"
    return rounded
