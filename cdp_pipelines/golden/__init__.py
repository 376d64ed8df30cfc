"""The golden record (`survivorship`), what customers did (`measures`), and what a purpose may see of both (`mart`)."""
