"""The golden record (`survivorship`), what customers did (`measures`), what a purpose may see of both (`mart`).

What a mart lets out: names of one mart alone (`pseudonym`), bands and months (`coarsen`), rows in groups (`anonymity`),
numbers of people (`aggregate`); `attack` tries what can be told of people all the same.
"""
