"""Names to draw from, by where a family comes from, most frequent first; short forms of given names.

Given names follow the family's origin, so that names are as correlated as they are among people. All pools are ours:
frequent real names, and for the long tail family names put together from stems and endings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ENGLISH_FEMALE = """
Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen Lisa Nancy Betty Sandra Margaret Ashley Kimberly
Emily Donna Michelle Carol Amanda Melissa Deborah Stephanie Rebecca Laura Helen Sharon Cynthia Kathleen Amy Shirley
Angela Anna Ruth Brenda Pamela Nicole Katherine Virginia Catherine Christine Samantha Debra Janet Rachel Carolyn Emma
Maria Heather Diane Julie Joyce Victoria Kelly Christina Joan Evelyn Lauren Judith Olivia Frances Martha Cheryl Megan
Andrea Hannah Jacqueline Ann Jean Alice Kathryn Gloria Teresa Doris Sara Janice Julia Marie Madison Grace Judy Theresa
Beverly Denise Marilyn Amber Danielle Abigail Brittany Rose Diana Natalie Sophia Alexis Lori Kayla Jane Charlotte
Isabella Tiffany Crystal Kim Tammy Dawn Tracy Robin Wendy Paula Erin Peggy Connie Dana April Rita Kristen Leslie
Sherry Bonnie Holly Suzanne Carrie Tina Monica Erica Vanessa Anne Eileen Ellen Lucy Edith Phyllis Norma Gladys
Florence Hazel Ethel Irene Clara Josephine Pauline Edna Agnes Lillian Marjorie Eleanor Esther Bernice Dorothy Thelma
Lois Audrey Geraldine Sylvia June Wilma Vera Stella Mabel Claire Molly Chloe Zoe Ava Mia Harper Ella Lily Aria Nora
Violet Hailey Brooklyn Paige Jenna Courtney Lindsay Whitney Chelsea Kelsey Haley Sierra Jasmine Morgan Taylor Sydney
Caitlin Bethany Leah Naomi Miriam Priscilla Tabitha Rosalind Winifred Philippa Imogen Gemma Fiona Siobhan Bridget
Maureen Colleen Shannon Kerry Gwendolyn Rhonda Yvonne Loretta Vivian Sally Marcia Nina Colette Celeste Daphne Iris Ivy
"""
_ENGLISH_MALE = """
James Robert John Michael David William Richard Joseph Thomas Charles Christopher Daniel Matthew Anthony Mark Donald
Steven Paul Andrew Joshua Kenneth Kevin Brian George Timothy Ronald Edward Jason Jeffrey Ryan Jacob Gary Nicholas Eric
Jonathan Stephen Larry Justin Scott Brandon Benjamin Samuel Gregory Alexander Patrick Frank Raymond Jack Dennis Jerry
Tyler Aaron Adam Nathan Henry Douglas Zachary Peter Kyle Ethan Walter Noah Jeremy Christian Keith Roger Terry Gerald
Harold Sean Austin Carl Arthur Lawrence Dylan Jesse Jordan Bryan Billy Joe Bruce Gabriel Logan Albert Willie Alan
Wayne Elijah Randy Roy Vincent Ralph Eugene Russell Bobby Mason Philip Louis Harry Howard Fred Martin Ernest Stanley
Leonard Clarence Craig Curtis Rodney Norman Allen Marvin Glenn Travis Jeff Chad Dale Melvin Lee Kurt Edwin Theodore
Clifford Herbert Francis Bradley Frederick Ray Joel Don Ricky Troy Barry Bernard Micheal Leroy Marcus Oscar Jay
Clinton Warren Dean Derek Dan Lloyd Gordon Leon Alvin Tim Jon Duane Neil Gilbert Cory Seth Lance Darren Ruben Max
Marshall Wesley Grant Cody Cole Blake Trevor Spencer Garrett Hunter Connor Evan Lucas Liam Owen Caleb Isaac Luke
Oliver Wyatt Carter Julian Levi Hudson Lincoln Asher Theo Finn Miles Graham Simon Nigel Clive Trevor Rupert Angus
Malcolm Duncan Callum Hamish Declan Colin Rory Quentin Reginald Cecil Horace Wilfred Percy Edgar Alfred Everett Amos
"""
_ENGLISH_FAMILY = """
Smith Johnson Williams Brown Jones Miller Davis Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Thompson White
Harris Clark Lewis Robinson Walker Young Allen King Wright Scott Hill Green Adams Nelson Baker Hall Campbell Mitchell
Carter Roberts Phillips Evans Turner Parker Edwards Collins Stewart Morris Murphy Cook Rogers Morgan Cooper Peterson
Bailey Reed Kelly Howard Cox Ward Richardson Watson Brooks Wood James Bennett Gray Hughes Price Myers Long Ross Foster
Sanders Powell Jenkins Perry Russell Sullivan Bell Coleman Butler Henderson Barnes Fisher Simmons Jordan Patterson
Alexander Hamilton Graham Reynolds Griffin Wallace West Cole Hayes Bryant Gibson Ellis Stevens Murray Ford Marshall
Owens Harrison McDonald Kennedy Wells Woods Freeman Webb Tucker Burns Crawford Simpson Porter Hunter Gordon Shaw
Warren Mason Dixon Hunt Hicks Holmes Palmer Wagner Black Robertson Boyd Stone Fox Warner Mills Meyer Rice Daniels
Grant Knight Ferguson Rose Stephens Dunn Hawkins Perkins Hudson Spencer Gardner Payne Pierce Berry Matthews Arnold
Willis Ray Watkins Olson Carroll Duncan Snyder Hart Cunningham Bradley Lane Andrews Harper Fowler Armstrong Lawrence
Elliott Carpenter Greene Austin Chapman Bishop Lawson Franklin Wheeler Lynch Harvey Burke Gilbert Bowman Jacobs
O'Brien O'Connor O'Neill O'Reilly McCarthy McKenzie MacLeod Fitzgerald Fitzpatrick Barrett Byrne Weaver Kim Barker
Ryan Banks Kerr Welch Day Fuller Fields Reid Pope Vaughn Newton Norris Dean Lowe Barber Page Hale Horton Todd Parsons
Cross Goodwin Blair Chandler Hines Tyler Leonard Hopkins Bush Steele Manning Rhodes Baldwin Hardy Potter Walton
Sharp Bates Osborne Barton Francis Moss Wilkins Farmer Cobb Maxwell Frost Cannon Griffith Marsh Nash Hammond Hodges
Blake Norton Floyd Bowers Mann Maddox Logan Patton Clayton Parks Glover Ballard Thornton Flynn Quinn Abbott Doyle
Ervin Linker Hodgdon Ashby Bagshaw Birdwhistle Cathcart Dewhurst Entwistle Featherstone Gooch Hathersage Inskip
Kettlewell Lightfoot Micklethwaite Nettleton Ollerenshaw Pickersgill Quibell Ramsbottom Sidebottom Tattersall Uttley
"""
_STEMS = """
Ald Ash Bar Beck Birch Black Blen Brad Bram Bright Broad Brook Burn Carl Chad Chester Clay Cliff Cold Cran Crof Dal
Den Dun East Ell Fair Farn Fen Frost Gold Gran Hal Hamp Hart Hath Haw Hazel Hen Hol Hunt Ings Kel Kim Kings Lang Leigh
Lind Lock Mar March Mel Mid Mill Nether New Nor Oak Ol Pem Pick Quin Ray Red Rock Rother Ruther Sea Sed Shel Sher
Stan Stock Stone Sud Swan Thorn Thur Tres Under Up Wad Wal Ware West Whit Wil Win Wood Wool York
"""
_ENDS = """
beck borough bourne bridge brook bury by combe cote cott croft dale den field ford gate grave greave ham hurst kin land
ley low man marsh mere more ridge shaw side son stead stoke thorpe ton tree wall ward well wick worth
"""
_HISPANIC_FEMALE = """
Maria Guadalupe Juana Ana Rosa Carmen Sofía Isabel Lucía Elena Teresa Gabriela Verónica Leticia Alejandra Patricia
Claudia Silvia Adriana Mónica Yolanda Beatriz Daniela Mariana Valentina Camila Ximena Inés Pilar Dolores Concepción
Esperanza Graciela Alma Norma Rocío Marisol Itzel Paola Fernanda Lorena Raquel Ángela Noemí Belén Soledad Yesenia
"""
_HISPANIC_MALE = """
José Juan Luis Carlos Jesús Miguel Francisco Antonio Alejandro Pedro Manuel Jorge Roberto Ricardo Fernando Eduardo
Javier Mario Sergio Rafael Raúl Daniel Diego Mateo Santiago Emilio Andrés Arturo Héctor Óscar Enrique Pablo Ramón
Ángel Gustavo Iván Rubén César Adrián Hugo Martín Joaquín Ignacio Tomás Salvador Alfredo Gerardo Ernesto Octavio
"""
_HISPANIC_FAMILY = """
Garcia Rodriguez Martinez Hernandez Lopez Gonzalez Perez Sanchez Ramirez Torres Flores Rivera Gomez Diaz Reyes Morales
Cruz Ortiz Gutierrez Chavez Ramos Ruiz Mendoza Alvarez Jimenez Castillo Vasquez Romero Moreno Herrera Medina Aguilar
Vargas Castro Guzman Mendez Fernandez Munoz Salazar Soto Delgado Pena Rios Contreras Alvarado Sandoval Ortega
Guerrero Estrada Nunez Maldonado Vega Santiago Dominguez Espinoza Silva Padilla Marquez Cortez Rojas Acosta Figueroa
Luna Juarez Navarro Campos Molina Avila Ayala Mejia Carrillo Duran Santos Salinas Robles Solis Lara Cervantes Aguirre
Ochoa Pacheco Velasquez Miranda Trujillo Fuentes Valdez Rosales Cardenas Zamora Peña Núñez Muñoz Ibáñez Yáñez
Ordóñez Zúñiga Saldaña De_La_Cruz De_Leon Del_Rio De_La_Rosa Arceo Barriga Bocanegra Tellez Castelo Saldivar Olivares
"""
_ROMANIAN_FEMALE = """
Maria Elena Ioana Ana Andreea Mihaela Alexandra Cristina Daniela Gabriela Alina Simona Roxana Georgiana Raluca Oana
Carmen Diana Adriana Loredana Ana-Maria Nicoleta Florentina Ileana Ruxandra Ștefania Bianca Corina Lavinia Mădălina
"""
_ROMANIAN_MALE = """
Andrei Alexandru Mihai Ion Gheorghe Vasile Constantin Adrian Cristian Florin Marian Nicolae Ștefan Dumitru Ionuț
Bogdan Radu Vlad Sorin Cătălin Marius Gabriel Dan Lucian Claudiu Răzvan Victor Petru Tudor Horia Mircea Octavian Sabin
"""
_ROMANIAN_FAMILY = """
Popescu Ionescu Popa Radu Dumitru Stan Stoica Gheorghe Matei Ciobanu Rusu Constantin Marin Lazăr Florea Munteanu Toma
Barbu Moldovan Dinu Oprea Vasile Diaconu Ungureanu Mocanu Nistor Văduva Enache Rădulescu Georgescu Țăranu Neagu Ilie
Șerban Cojocaru Bălan Pârvu Iordache Lungu Manea Preda Sava Voicu Zamfir Albu Bucur Cristea Dragomir Grigore
"""
_GERMAN_FEMALE = """
Anna Ursula Monika Petra Sabine Renate Ingrid Greta Helga Karin Heike Astrid Birgit Jürga Käthe Bärbel Gisela Katrin
Silke Anja Antje Freya Sigrid Solveig Maren Annelie Elke Margarethe Hildegard Johanna Lieselotte Frauke Björk Åsa Märta
"""
_GERMAN_MALE = """
Hans Peter Wolfgang Klaus Jürgen Dieter Uwe Günter Horst Werner Karl Jörg Björn Lars Sven Stefan Matthias Andreas
Torsten Rainer Ulrich Götz Sören Anders Erik Olaf Nils Håkan Gustav Friedrich Heinrich Otto Kurt Ludwig Jens Søren Knut
"""
_GERMAN_FAMILY = """
Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein Wolf
Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Krause Lehmann Köhler Maier Walter König
Kaiser Huber Fuchs Peters Lang Scholz Möller Weiß Jung Hahn Vogel Friedrich Keller Günther Frank Berger Winkler Roth
Hansen Johansen Olsen Larsen Andersen Pedersen Nilsen Kristiansen Eriksson Lindström Sjöberg Åkesson Bergström
Østergaard Nørgaard Søndergaard Lindqvist Holmström Öberg von_Brandt Glissmeyer Niemeyer Dittmer Hollenbäck
"""
_FRENCH_FEMALE = """
Marie Nathalie Isabelle Sylvie Catherine Françoise Chloé Zoé Renée Amélie Hélène Céline Aurélie Élodie Léa Manon
Camille Margaux Juliette Geneviève Monique Solène Anaïs Noémie Maëlle Odette Mathilde Agnès Bénédicte Joëlle Giselle
"""
_FRENCH_MALE = """
Jean Pierre Michel Philippe André Jean-Paul René François Gérard Rémi Étienne Sébastien Frédéric Benoît Loïc Mathéo
Guillaume Jérôme Olivier Thierry Luc Marcel Gaël Raphaël Théo Hervé Yves Jean-Luc Clément Aurélien Gaston Émile Noël
"""
_FRENCH_FAMILY = """
Martin Bernard Dubois Thomas Robert Petit Durand Leroy Moreau Simon Laurent Lefèvre Michel Bertrand Roux Fournier
Girard Bonnet Dupont Lambert Fontaine Rousseau Vincent Lefebvre Mercier Blanc Guérin Boyer Garnier Chevalier Legrand
Gauthier Besançon Clément Noël Béranger Desprès Thérien Boisvert Lévesque Côté Bélanger Gagné Hébert LaFrenière
"""
_ASIAN_FEMALE = """
Mei Li Xin Yuki Priya Anjali Aisha Fatima Leila Linh Thuy Mai Hana Sakura Min-Ji Soo-Jin Ji-Woo Deepa Lakshmi Sunita
Kavya Noor Yasmin Zainab Amina Ling Fang Hui Yan Jing Akiko Naoko Hyun Thi Ngoc Phuong Shreya Pooja Divya Rania Samira
"""
_ASIAN_MALE = """
Wei Jun Hiroshi Kenji Raj Amit Sanjay Arjun Omar Ahmed Ali Hassan Minh Tuan Duc Jin Sung-Min Hyun-Woo Ravi Vijay Anil
Rahul Vikram Tariq Khalid Yusuf Ibrahim Chen Ming Hao Lei Takashi Satoshi Dong Long Quan Suresh Imran Faisal Bilal Samir
"""
_ASIAN_FAMILY = """
Nguyen Kim Lee Patel Chen Wang Li Tran Singh Liu Zhang Pham Wong Yang Park Huang Khan Shah Choi Lin Wu Ali Le Vu Gupta
Sharma Kumar Kang Ahmed Hoang Chang Cho Zhao Xu Ho Tanaka Suzuki Sato Yamamoto Nakamura Watanabe Hussain Malik Rahman
Desai Mehta Reddy Rao Iyer Chowdhury Bui Dang Do Ngo Truong Ma Zhu Hu Guo He Gao Luo Zheng Tang Chung Lim Oh Han Shin
"""
_SHORT = """
Robert:Bob,Rob,Bobby William:Bill,Will,Billy Richard:Dick,Rick,Rich James:Jim,Jimmy,Jamie John:Jack,Johnny
Michael:Mike,Mick Joseph:Joe,Joey Thomas:Tom,Tommy Charles:Chuck,Charlie Christopher:Chris,Kit Daniel:Dan,Danny
Matthew:Matt Anthony:Tony Mark:Marky Donald:Don Steven:Steve Stephen:Steve Andrew:Andy,Drew Joshua:Josh Kenneth:Ken
Timothy:Tim Ronald:Ron Edward:Ed,Ted,Eddie Jeffrey:Jeff Nicholas:Nick Jonathan:Jon Lawrence:Larry Benjamin:Ben
Samuel:Sam Gregory:Greg Alexander:Alex,Sandy Patrick:Pat,Paddy Raymond:Ray Zachary:Zach Peter:Pete Nathan:Nate
Henry:Hank,Harry Douglas:Doug Gerald:Gerry Harold:Hal Arthur:Art Albert:Al,Bert Vincent:Vince Eugene:Gene
Philip:Phil Frederick:Fred Theodore:Ted,Theo Leonard:Len Francis:Frank Clifford:Cliff Walter:Walt Alfred:Alf
Elizabeth:Liz,Beth,Betty,Eliza Jennifer:Jen,Jenny Patricia:Pat,Trish,Patty Susan:Sue,Susie Jessica:Jess
Margaret:Peggy,Maggie,Meg Kimberly:Kim Deborah:Debbie,Deb Rebecca:Becky,Becca Katherine:Kate,Kathy,Katie
Catherine:Cathy,Kate Kathleen:Kathy Kathryn:Kathy Pamela:Pam Cynthia:Cindy Christine:Chris,Chrissy
Christina:Tina,Chris Victoria:Vicky,Tori Samantha:Sam Amanda:Mandy Teresa:Terry Theresa:Terry,Tess Judith:Judy
Abigail:Abby Barbara:Barb,Babs Sandra:Sandy Stephanie:Steph Melissa:Missy Virginia:Ginny Jacqueline:Jackie
Frances:Fran Martha:Patsy Dorothy:Dot,Dolly Eleanor:Nell,Ellie Josephine:Jo Angela:Angie Nancy:Nan Mary:Molly,Polly
José:Pepe Francisco:Paco,Pancho Guadalupe:Lupe Jesús:Chuy Eduardo:Lalo Ignacio:Nacho Dolores:Lola Concepción:Concha
Alejandro:Alex Roberto:Beto Constantin:Costel Gheorghe:Gigi Alexandru:Alex Elena:Lena Mihaela:Miha Andreea:Andra
Wolfgang:Wolf Friedrich:Fritz Heinrich:Heinz Margarethe:Grete Johanna:Hanna Ursula:Uschi Philippe:Phil
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """Names that go together; `share` of all families bear them."""

    share: float
    female: tuple[str, ...]
    male: tuple[str, ...]
    family: tuple[str, ...]


def _split_words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.replace("_", " ") for word in text.split()))


def _build_rare_names() -> tuple[str, ...]:
    """Rare English family names; shuffled once and for all, so that neighbours in rank share no stem."""
    made = [stem + end for stem in _split_words(_STEMS) for end in _split_words(_ENDS) if stem[-1] != end[0]]
    return tuple(np.random.default_rng(1).permutation(made).tolist())


ORIGINS = (
    Origin(
        0.68,
        _split_words(_ENGLISH_FEMALE),
        _split_words(_ENGLISH_MALE),
        _split_words(_ENGLISH_FAMILY) + _build_rare_names(),
    ),
    Origin(0.14, _split_words(_HISPANIC_FEMALE), _split_words(_HISPANIC_MALE), _split_words(_HISPANIC_FAMILY)),
    Origin(0.05, _split_words(_ROMANIAN_FEMALE), _split_words(_ROMANIAN_MALE), _split_words(_ROMANIAN_FAMILY)),
    Origin(0.04, _split_words(_GERMAN_FEMALE), _split_words(_GERMAN_MALE), _split_words(_GERMAN_FAMILY)),
    Origin(0.03, _split_words(_FRENCH_FEMALE), _split_words(_FRENCH_MALE), _split_words(_FRENCH_FAMILY)),
    Origin(0.06, _split_words(_ASIAN_FEMALE), _split_words(_ASIAN_MALE), _split_words(_ASIAN_FAMILY)),
)
SHORT_FORMS = {full: tuple(short.split(",")) for full, short in (pair.split(":") for pair in _split_words(_SHORT))}


def compute_frequencies(n: int, exponent: float = 0.9, offset: float = 8.0) -> np.ndarray:
    """Shares by rank after Zipf and Mandelbrot: few names are frequent, most are rare; `offset` flattens the top."""
    weights = 1.0 / (np.arange(1, n + 1) + offset) ** exponent
    return weights / weights.sum()
