"""E-mails and phones in the forms in which people, mail programs and spreadsheets write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp_pipelines.standardise.contacts import clean_text, read_emails, read_phones

ANN, BEN = "ann.bell@post.example", "ben@post.example"
PHONE, OTHER = "+12064816607", "+12064816608"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("ANN.Bell@Post.Example", id="upper_case"),
        pytest.param('"Ann Bell" <ann.bell@post.example>', id="display_name"),
        pytest.param("Bell, Ann <ann.bell@post.example>", id="display_name_with_comma"),
        pytest.param("Ann Bell ann.bell@post.example", id="name_before"),
        pytest.param("Ann (work) <ann.bell@post.example> (old)", id="display_name_with_comments"),
        pytest.param("mailto:ann.bell@post.example", id="mailto"),
        pytest.param("MAILTO:<ann.bell@post.example>", id="mailto_in_capitals"),
        pytest.param("mailto:ann.bell%40post.example?subject=unsubscribe", id="mailto_with_query"),
        pytest.param("SMTP:ann.bell@post.example", id="smtp"),
        pytest.param("E-Mail: ann.bell@post.example", id="label"),
        pytest.param("<ann.bell@post.example>", id="angle_brackets"),
        pytest.param("<<ann.bell@post.example>>", id="two_angle_brackets"),
        pytest.param("ann.bell@post.example>", id="half_a_bracket"),
        pytest.param("[ann.bell@post.example]", id="square_brackets"),
        pytest.param("(ann.bell@post.example)", id="round_brackets"),
        pytest.param("{ann.bell@post.example}", id="curly_brackets"),
        pytest.param("[ann.bell@post.example](mailto:ann.bell@post.example)", id="markdown"),
        pytest.param('=HYPERLINK("mailto:ann.bell@post.example")', id="spreadsheet_link"),
        pytest.param("&lt;ann.bell@post.example&gt;", id="html"),
        pytest.param("'ann.bell@post.example'", id="quotes"),
        pytest.param("\u201cann.bell@post.example\u201d", id="curly_quotes"),
        pytest.param("`ann.bell@post.example`", id="backticks"),
        pytest.param("*ann.bell@post.example*", id="stars"),
        pytest.param("ann.bell@post.example\u200b", id="zero_width_space"),
        pytest.param("\ufeffann.bell@post.example", id="byte_order_mark"),
        pytest.param("ann.bell@post.exam\u00adple", id="soft_hyphen"),
        pytest.param("\u202aann.bell@post.example\u202c", id="writing_direction"),
        pytest.param("ann.bell@post.example\u00a0", id="no_break_space"),
        pytest.param("ann.bell@post.example\x00", id="null_character"),
        pytest.param("ann.bell\uff20post.example", id="full_width_at"),
        pytest.param("\uff41nn.bell@post.example", id="full_width_letter"),
        pytest.param("ann.bell @ post.example", id="blanks_around_at"),
        pytest.param("ann.bell@post.example.", id="trailing_dot"),
        pytest.param("ann.bell@post.example;", id="trailing_semicolon"),
        pytest.param("ann.bell@post.example,", id="trailing_comma"),
        pytest.param("ann.bell@post.example!", id="trailing_exclamation_mark"),
        pytest.param("ann.bell@post.example (home)", id="comment_behind"),
        pytest.param("(home) ann.bell@post.example", id="comment_before"),
        pytest.param("  ann.bell@post.example\r\n", id="line_break"),
    ],
)
def test_one_email_in_any_form(text):
    assert read_emails(text) == (ANN,)


@pytest.mark.parametrize("separator", [", ", ",", "; ", ";", " / ", " | ", "\n", " ", "\t", " and ", ">,<"])
def test_two_emails_in_one_text(separator):
    assert read_emails(f"{ANN}{separator}{BEN}") == (ANN, BEN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "ann at post.example",
        "@post.example",
        "ann@",
        "a@@post.example",
        "a..b@post.example",
        "a@b@post.example",
    ],
)
def test_what_is_not_an_email_names_nobody(text):
    assert read_emails(text) == ()


@given(st.lists(st.sampled_from(["<>", "[]", "()", "''", '""', "\u200b\u200b", "  ", "\ufeff "]), max_size=5))
def test_wrappings_around_each_other(wrappings):
    text = ANN
    for before, behind in wrappings:
        text = f"{before}{text}{behind}"
    assert read_emails(text) == (ANN,)


@given(st.text(max_size=60))
def test_no_text_is_an_error(text):
    assert all("@" in email and email == email.lower() for email in read_emails(text))
    assert all(phone.startswith("+") for phone in read_phones("US")(text))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2064816607", id="plain"),
        pytest.param("(206) 481-6607", id="brackets"),
        pytest.param("206.481.6607", id="dots"),
        pytest.param("206/481-6607", id="slash_within"),
        pytest.param("+1 (206) 481\u20116607", id="no_break_hyphen"),
        pytest.param("0012064816607", id="two_zeros"),
        pytest.param("2.064816607E+09", id="spreadsheet_exponent"),
        pytest.param("1.2064816607e10", id="exponent_with_country"),
        pytest.param("2,064816607E+09", id="exponent_with_decimal_comma"),
        pytest.param("12064816607.0", id="spreadsheet_fraction"),
        pytest.param("2064816607.00", id="two_decimals"),
        pytest.param("2064816607,0", id="decimal_comma"),
        pytest.param("2,064,816,607", id="thousands"),
        pytest.param('="2064816607"', id="spreadsheet_formula"),
        pytest.param("'+12064816607", id="spreadsheet_apostrophe"),
        pytest.param("tel:+1-206-481-6607", id="tel"),
        pytest.param("whatsapp:+12064816607", id="whatsapp"),
        pytest.param("Mobile: 206 481 6607", id="label"),
        pytest.param("206 481 6607 (mobile)", id="comment"),
        pytest.param("206.481.6607 x12", id="extension"),
        pytest.param("206\u200b4816607", id="zero_width_space"),
        pytest.param("\u202a+12064816607\u202c", id="writing_direction"),
        pytest.param("206\u00a0481\u00a06607", id="no_break_space"),
        pytest.param("\uff12\uff10\uff16\uff14\uff18\uff11\uff16\uff16\uff10\uff17", id="full_width_digits"),
        pytest.param("\u0662\u0660\u0666\u0664\u0668\u0661\u0666\u0666\u0660\u0667", id="arabic_digits"),
    ],
)
def test_one_phone_in_any_form(text):
    assert read_phones("US")(text) == (PHONE,)


@pytest.mark.parametrize("separator", [" / ", ", ", "; ", ";", " or ", " & ", "\n", " | ", " "])
def test_two_phones_in_one_text(separator):
    assert read_phones("US")(f"2064816607{separator}2064816608") == (PHONE, OTHER)


@pytest.mark.parametrize(
    "text", ["", "call me", "12345", "2.06E+09", "2.0648166E+09", "+1206481660700000", "206481660"]
)
def test_a_number_that_lost_digits_names_nobody(text):
    assert read_phones("US")(text) == ()


def test_the_old_form_of_mexican_mobiles():
    assert read_phones("US")("+52 1 55 1234 5678") == ("+525512345678",)
    assert read_phones("US")("+52 55 1234 5678") == ("+525512345678",)


def test_the_region_is_that_of_the_channel():
    assert read_phones("DE")("030 901820") == ("+4930901820",)
    assert read_phones("US")("030 901820") == ()


def test_clean_text_keeps_what_is_seen():
    assert clean_text(" J\u200bosé\u00a0Müller\ufeff ") == "José Müller"
