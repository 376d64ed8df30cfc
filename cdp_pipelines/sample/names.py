"""Names to draw from: common given names with their short forms, family names, streets and places."""

from __future__ import annotations

import numpy as np

FEMALE = ["Mary", "Jennifer", "Linda", "Patricia", "Elizabeth", "Susan", "Jessica", "Sarah", "Karen", "Lisa", "Nancy", "Sandra", "Ashley", "Emily", "Kimberly", "Betty", "Margaret", "Donna", "Michelle", "Carol", "Amanda", "Melissa", "Deborah", "Stephanie", "Rebecca", "Laura", "Helen", "Sharon", "Cynthia", "Kathleen", "Amy", "Angela", "Shirley", "Anna", "Brenda", "Pamela", "Emma", "Nicole", "Samantha", "Katherine", "Christine", "Rachel", "Carolyn", "Janet", "Maria", "Heather", "Diane", "Julie", "Joyce", "Victoria", "Kelly", "Christina", "Joan", "Evelyn", "Lauren", "Judith", "Olivia", "Frances", "Martha", "Cheryl", "Megan", "Andrea", "Hannah", "Jacqueline", "Ann", "Jean", "Alice", "Kathryn", "Gloria", "Teresa", "Doris", "Sara", "Janice", "Julia", "Grace", "Judy", "Abigail", "Marie", "Denise", "Beverly", "Amber", "Theresa", "Marilyn", "Danielle", "Diana", "Brittany", "Natalie", "Sophia", "Rose", "Isabella", "Alexis", "Kayla", "Charlotte", "Ioana", "Elena", "Andreea", "Mihaela", "Zoë", "Chloé", "Inés", "Ana-Maria", "Renée", "Nadia", "Fatima", "Leila", "Mei", "Yuki", "Priya", "Ingrid", "Astrid", "Greta"]
MALE = ["James", "Robert", "John", "Michael", "David", "William", "Richard", "Joseph", "Thomas", "Charles", "Christopher", "Daniel", "Matthew", "Anthony", "Mark", "Donald", "Steven", "Paul", "Andrew", "Joshua", "Kenneth", "Kevin", "Brian", "George", "Timothy", "Ronald", "Edward", "Jason", "Jeffrey", "Ryan", "Jacob", "Gary", "Nicholas", "Eric", "Jonathan", "Stephen", "Larry", "Justin", "Scott", "Brandon", "Benjamin", "Samuel", "Gregory", "Alexander", "Frank", "Patrick", "Raymond", "Jack", "Dennis", "Jerry", "Tyler", "Aaron", "Jose", "Adam", "Nathan", "Henry", "Douglas", "Zachary", "Peter", "Kyle", "Ethan", "Walter", "Noah", "Jeremy", "Christian", "Keith", "Roger", "Terry", "Gerald", "Harold", "Sean", "Austin", "Carl", "Arthur", "Lawrence", "Dylan", "Jesse", "Jordan", "Bryan", "Billy", "Joe", "Bruce", "Gabriel", "Logan", "Albert", "Willie", "Alan", "Juan", "Wayne", "Elijah", "Randy", "Roy", "Vincent", "Ralph", "Eugene", "Russell", "Bobby", "Mason", "Andrei", "Mihai", "Cristian", "José", "André", "Jürgen", "Björn", "Jean-Paul", "Omar", "Ahmed", "Wei", "Hiroshi", "Raj", "Lars", "Sven", "Mateo", "Diego", "Luca"]
NICKNAMES = {
    "Robert": "Bob",
    "William": "Bill",
    "Richard": "Dick",
    "James": "Jim",
    "John": "Jack",
    "Michael": "Mike",
    "Joseph": "Joe",
    "Thomas": "Tom",
    "Charles": "Chuck",
    "Christopher": "Chris",
    "Daniel": "Dan",
    "Matthew": "Matt",
    "Anthony": "Tony",
    "Steven": "Steve",
    "Andrew": "Andy",
    "Joshua": "Josh",
    "Kenneth": "Ken",
    "Edward": "Ed",
    "Jeffrey": "Jeff",
    "Nicholas": "Nick",
    "Jonathan": "Jon",
    "Benjamin": "Ben",
    "Samuel": "Sam",
    "Gregory": "Greg",
    "Alexander": "Alex",
    "Raymond": "Ray",
    "Elizabeth": "Liz",
    "Jennifer": "Jen",
    "Patricia": "Pat",
    "Susan": "Sue",
    "Jessica": "Jess",
    "Margaret": "Peggy",
    "Kimberly": "Kim",
    "Deborah": "Debbie",
    "Rebecca": "Becky",
    "Katherine": "Kate",
    "Kathleen": "Kathy",
    "Pamela": "Pam",
    "Cynthia": "Cindy",
    "Christine": "Chris",
    "Victoria": "Vicky",
    "Samantha": "Sam",
    "Amanda": "Mandy",
    "Teresa": "Terry",
    "Judith": "Judy",
    "Abigail": "Abby",
}
_FAMILY = ["Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez", "Martinez", "Hernandez", "Lopez", "Gonzalez", "Wilson", "Anderson", "Thomas", "Taylor", "Moore", "Jackson", "Martin", "Lee", "Perez", "Thompson", "White", "Harris", "Sanchez", "Clark", "Ramirez", "Lewis", "Robinson", "Walker", "Young", "Allen", "King", "Wright", "Scott", "Torres", "Nguyen", "Hill", "Flores", "Green", "Adams", "Nelson", "Baker", "Hall", "Rivera", "Campbell", "Mitchell", "Carter", "Roberts", "Gomez", "Phillips", "Evans", "Turner", "Diaz", "Parker", "Cruz", "Edwards", "Collins", "Reyes", "Stewart", "Morris", "Morales", "Murphy", "Cook", "Rogers", "Gutierrez", "Ortiz", "Morgan", "Cooper", "Peterson", "Bailey", "Reed", "Kelly", "Howard", "Ramos", "Kim", "Cox", "Ward", "Richardson", "Watson", "Brooks", "Chavez", "Wood", "James", "Bennett", "Gray", "Mendoza", "Ruiz", "Hughes", "Price", "Alvarez", "Castillo", "Sanders", "Patel", "Myers", "Long", "Ross", "Foster", "Jimenez", "Popescu", "Ionescu", "Dumitru", "Müller", "Schäfer", "Núñez", "Peña", "García", "Lefèvre", "Østergaard", "O'Neil", "McCarthy"]
# Stems and endings give the long tail of rare family names.
_STEMS = ["Ash", "Black", "Bright", "Broad", "Brook", "Chester", "Clay", "Cold", "Cran", "Dal", "Dun", "East", "Fair", "Farn", "Frost", "Gold", "Hamp", "Hart", "Haw", "Hol", "Kings", "Lang", "Lind", "March", "Mill", "Nor", "Oak", "Pem", "Quin", "Ray", "Red", "Rock", "Sea", "Shel", "Stan", "Stone", "Swan", "Thorn", "Wal", "West", "Whit", "Win", "Wood", "York"]
_ENDS = ["bury", "by", "combe", "croft", "dale", "den", "field", "ford", "gate", "ham", "hurst", "land", "ley", "man", "more", "ridge", "son", "stead", "ton", "well", "wick", "worth"]
FAMILY = (*_FAMILY, *(stem + end for stem in _STEMS for end in _ENDS))
STREETS = tuple(
    f"{name} {kind}"
    for name in ["oak", "maple", "cedar", "pine", "elm", "walnut", "chestnut", "spruce", "birch", "willow", "church", "high", "mill", "park", "station", "school", "river", "lake", "hill", "sunset", "highland", "washington", "lincoln", "jefferson", "madison", "franklin", "jackson", "union", "market", "spring", "forest", "garden", "valley", "meadow", "orchard", "prospect", "pleasant", "central", "college", "liberty", "grove", "vine", "bridge", "canal", "harbour", "castle", "abbey"]
    for kind in ("st", "ave", "rd", "ln", "dr", "ct", "way", "blvd")
)
PLACES = tuple(
    (f"{city}", region, f"{first:03d}")
    for city, region, first in (
        ("Northport", "WA", 981),
        ("Eastwick", "WA", 982),
        ("Millbrook", "OR", 972),
        ("Fairhaven", "OR", 973),
        ("Lakeside", "CA", 940),
        ("Redwood", "CA", 941),
        ("Granite Falls", "ID", 837),
        ("Silverton", "MT", 598),
    )
)
DOMAINS = ("post.example", "mail.example", "inbox.example", "letters.example", "company.example")


def zipf(n: int, exponent: float = 0.9) -> np.ndarray:
    """Shares by rank, as names are spread among people: few are frequent, most are rare."""
    weights = 1.0 / np.arange(1, n + 1) ** exponent
    return weights / weights.sum()
