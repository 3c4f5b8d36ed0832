"""Energy and CO2 in things that people know, each with its formula and the source of its factor."""

from __future__ import annotations

LAMP_WATTS = 10.0
"""Of an LED lamp as bright as a 60-watt incandescent one (US Department of Energy, LED lighting: at least 75% less energy)."""
KETTLE_JOULES = 4186.0 * (100 - 15)
"""To heat a litre of water from 15 to 100 degrees without losses: 4,186 J for each kilogram and degree (textbook physics)."""
CAR_GRAMS_PER_KM = 400 / 1.609344
"""Of the average petrol car: 400 g of CO2 a mile (US EPA, Tailpipe Greenhouse Gas Emissions from a Typical Passenger
Vehicle, EPA-420-F-23-014, 2023)."""
READING_WORDS = 238 / 60
"""Words that an adult reads silently in a second, English non-fiction (Brysbaert 2019, doi:10.1016/j.jml.2019.104047)."""
WORDS_PER_TOKEN = 0.75
"""Of English text, the usual rule of thumb; the probe's own tokens are no words."""
JOULES_PER_WH = 3600.0


def rounded(value: float) -> str:
    """A number to two digits that count, whole from ten on."""
    if value == 0:
        return "0"
    two = float(f"{value:.2g}")
    if abs(two) >= 10:
        return f"{two:,.0f}"
    return f"{two:.2g}" if abs(two) >= 0.001 else f"{two:.1e}"


def lamp(joules: float) -> str:
    """How long a lamp burns for it: energy / 10 W."""
    seconds = joules / LAMP_WATTS
    units = ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute"))
    size, unit = next((u for u in units if seconds >= u[0]), (1.0, "second"))
    amount = rounded(seconds / size)
    return f"as much as a 10-watt LED lamp uses in {amount} {unit}{'' if amount == '1' else 's'}"


def kettle(joules: float) -> str:
    """How much water it brings to the boil: energy / (4,186 J x 85)."""
    litres = joules / KETTLE_JOULES
    amount = f"{rounded(litres)} litres" if litres >= 1 else f"{rounded(1000 * litres)} millilitres"
    return f"enough to bring {amount} of water to the boil"


def car(grams: float) -> str:
    """How far the average petrol car drives for it: CO2 / 249 g a kilometre."""
    metres = 1000 * grams / CAR_GRAMS_PER_KM
    size, unit = (1000.0, "km") if metres >= 1000 else (1.0, "m") if metres >= 1 else (0.01, "cm")
    return f"as much as an average petrol car emits in {rounded(metres / size)} {unit}"
