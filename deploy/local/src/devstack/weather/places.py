"""The cities that the simulated geocoding knows, some of them sharing a name."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """One city; ``latitude`` and ``longitude`` in degrees, ``elevation`` in metres."""

    id: int
    name: str
    admin1: str
    country: str
    country_code: str
    latitude: float
    longitude: float
    elevation: float
    timezone: str
    population: int
    feature_code: str = "PPL"


def _place(number: int, row: str) -> Place:
    name, admin1, country, code, latitude, longitude, elevation, timezone, population, feature = row.split(
        "|"
    )
    return Place(
        id=900_000 + number,
        name=name,
        admin1=admin1,
        country=country,
        country_code=code,
        latitude=float(latitude),
        longitude=float(longitude),
        elevation=float(elevation),
        timezone=timezone,
        population=int(population),
        feature_code=feature,
    )


_TABLE = """\
Amsterdam|North Holland|The Netherlands|NL|52.374|4.89|13|Europe/Amsterdam|741636|PPLC
Athens|Attica|Greece|GR|37.984|23.728|70|Europe/Athens|664046|PPLC
Auckland|Auckland|New Zealand|NZ|-36.849|174.763|26|Pacific/Auckland|417910|PPLA
Bangkok|Bangkok|Thailand|TH|13.754|100.501|12|Asia/Bangkok|5104476|PPLC
Barcelona|Catalonia|Spain|ES|41.389|2.159|47|Europe/Madrid|1620343|PPLA
Beijing|Beijing|China|CN|39.907|116.397|49|Asia/Shanghai|18960744|PPLC
Berlin|State of Berlin|Germany|DE|52.524|13.411|74|Europe/Berlin|3426354|PPLC
Berlin|New Hampshire|United States|US|44.469|-71.185|311|America/New_York|9367|PPL
Bogotá|Bogota D.C.|Colombia|CO|4.61|-74.082|2582|America/Bogota|7674366|PPLC
Buenos Aires|Buenos Aires F.D.|Argentina|AR|-34.613|-58.377|31|America/Argentina/Buenos_Aires|2891082|PPLC
Cairo|Cairo Governorate|Egypt|EG|30.063|31.25|23|Africa/Cairo|9606916|PPLC
Cape Town|Western Cape|South Africa|ZA|-33.926|18.423|25|Africa/Johannesburg|4772846|PPLC
Chicago|Illinois|United States|US|41.85|-87.65|179|America/Chicago|2720546|PPLA2
Delhi|Delhi|India|IN|28.652|77.231|227|Asia/Kolkata|11034555|PPLA
Dublin|Leinster|Ireland|IE|53.333|-6.249|17|Europe/Dublin|1024027|PPLC
Dublin|California|United States|US|37.702|-121.936|110|America/Los_Angeles|57721|PPL
Hamburg|Hamburg|Germany|DE|53.551|9.993|6|Europe/Berlin|1845229|PPLA
Helsinki|Uusimaa|Finland|FI|60.17|24.935|26|Europe/Helsinki|658864|PPLC
Honolulu|Hawaii|United States|US|21.307|-157.858|18|Pacific/Honolulu|371657|PPLA
Istanbul|Istanbul|Turkey|TR|41.014|28.95|39|Europe/Istanbul|14804116|PPLA
Jakarta|Jakarta|Indonesia|ID|-6.215|106.845|8|Asia/Jakarta|8540121|PPLC
Kathmandu|Bagmati Province|Nepal|NP|27.702|85.321|1293|Asia/Kathmandu|1442271|PPLC
Lagos|Lagos|Nigeria|NG|6.454|3.395|11|Africa/Lagos|15388000|PPLA2
Lima|Lima Province|Peru|PE|-12.043|-77.028|154|America/Lima|7737002|PPLC
Lisbon|Lisbon District|Portugal|PT|38.717|-9.133|45|Europe/Lisbon|517802|PPLC
London|England|United Kingdom|GB|51.509|-0.126|25|Europe/London|8961989|PPLC
London|Ontario|Canada|CA|42.983|-81.233|252|America/Toronto|422324|PPL
Los Angeles|California|United States|US|34.052|-118.244|96|America/Los_Angeles|3820914|PPLA2
Madrid|Madrid|Spain|ES|40.417|-3.703|665|Europe/Madrid|3255944|PPLC
Melbourne|Victoria|Australia|AU|-37.814|144.963|25|Australia/Melbourne|4917750|PPLA
Melbourne|Florida|United States|US|28.084|-80.608|8|America/New_York|80127|PPL
Mexico City|Mexico City|Mexico|MX|19.428|-99.128|2240|America/Mexico_City|12294193|PPLC
Moscow|Moscow|Russia|RU|55.752|37.616|144|Europe/Moscow|10381222|PPLC
Mumbai|Maharashtra|India|IN|19.073|72.883|8|Asia/Kolkata|12691836|PPLA
München|Bavaria|Germany|DE|48.137|11.575|524|Europe/Berlin|1260391|PPLA
Nairobi|Nairobi County|Kenya|KE|-1.283|36.817|1684|Africa/Nairobi|4397073|PPLC
New York|New York|United States|US|40.714|-74.006|10|America/New_York|8804190|PPL
Oslo|Oslo|Norway|NO|59.913|10.746|26|Europe/Oslo|580000|PPLC
Paris|Île-de-France|France|FR|48.853|2.349|42|Europe/Paris|2138551|PPLC
Paris|Texas|United States|US|33.661|-95.556|183|America/Chicago|24782|PPLA2
Prague|Prague|Czechia|CZ|50.088|14.421|202|Europe/Prague|1165581|PPLC
Reykjavík|Capital Region|Iceland|IS|64.135|-21.895|37|Atlantic/Reykjavik|118918|PPLC
Rome|Lazio|Italy|IT|41.892|12.511|20|Europe/Rome|2318895|PPLC
Rome|Georgia|United States|US|34.257|-85.165|187|America/New_York|36323|PPLA2
São Paulo|São Paulo|Brazil|BR|-23.548|-46.636|769|America/Sao_Paulo|12400232|PPLA
Seoul|Seoul|South Korea|KR|37.566|126.978|38|Asia/Seoul|10349312|PPLC
Singapore|Central Singapore|Singapore|SG|1.29|103.85|23|Asia/Singapore|5638700|PPLC
Springfield|Illinois|United States|US|39.802|-89.644|182|America/Chicago|116565|PPLA
Springfield|Massachusetts|United States|US|42.101|-72.59|21|America/New_York|155929|PPLA2
Springfield|Missouri|United States|US|37.215|-93.298|396|America/Chicago|169176|PPLA2
Stockholm|Stockholm|Sweden|SE|59.329|18.069|17|Europe/Stockholm|1515017|PPLC
Sydney|New South Wales|Australia|AU|-33.868|151.207|58|Australia/Sydney|5231147|PPLA
Tokyo|Tokyo|Japan|JP|35.69|139.692|44|Asia/Tokyo|9733276|PPLC
Toronto|Ontario|Canada|CA|43.706|-79.399|175|America/Toronto|2794356|PPLA
Vienna|Vienna|Austria|AT|48.208|16.372|171|Europe/Vienna|1691468|PPLC
Warsaw|Mazovia|Poland|PL|52.23|21.012|113|Europe/Warsaw|1702139|PPLC
Zürich|Zurich|Switzerland|CH|47.367|8.55|429|Europe/Zurich|436332|PPLA
"""

PLACES = tuple(_place(number, row) for number, row in enumerate(_TABLE.splitlines()))


def search(name: str, count: int = 10, country_code: str | None = None) -> list[Place]:
    """Return the best-known places called ``name``, most populous first.

    As the real service does: two letters must match exactly, from three on the beginning is enough, and
    accents and case do not matter.
    """
    wanted = _plain(name)
    if len(wanted) < 2:
        return []
    found = [
        place
        for place in PLACES
        if (_plain(place.name) == wanted or (len(wanted) >= 3 and _plain(place.name).startswith(wanted)))
        and (country_code is None or place.country_code == country_code.upper())
    ]
    return sorted(found, key=lambda place: (_plain(place.name) != wanted, -place.population))[:count]


def nearest(latitude: float, longitude: float) -> Place:
    """Return the known place nearest to the coordinates (roughly: on a flat map)."""

    def distance(place: Place) -> float:
        east = abs(place.longitude - longitude)
        return (place.latitude - latitude) ** 2 + min(east, 360 - east) ** 2

    return min(PLACES, key=distance)


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
