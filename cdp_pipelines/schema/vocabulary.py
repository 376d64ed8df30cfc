"""The words that columns, contracts and purposes share: each list stands here once, as a type and as a tuple.

Here belong closed lists of words and the key of a record. The words that a company declares (channels, purposes, data
categories) do not belong here, nor do the rules that use a word.
"""

from __future__ import annotations

from typing import Literal, get_args

Layer = Literal["raw", "quarantine", "standardised", "identity", "consent", "golden", "mart", "audit"]
# In the order in which data moves through a night; audit tables describe all the others.
LAYERS: tuple[Layer, ...] = get_args(Layer)

# Data category of a whole record; a purpose can never name it.
WHOLE_RECORD = "whole_record"
# Columns that name a source record in every table.
RECORD_KEY = ("channel", "source_record_id")

# Identifiers by which consent events, privacy requests and lookups reach a person; columns of standardised/party.
IdentifierKind = Literal["email", "phone", "device_id", "advertising_id", "loyalty_card", "account_id"]
IDENTIFIER_KINDS: tuple[IdentifierKind, ...] = get_args(IdentifierKind)
# Those on which a consent event or a privacy request may be expressed.
SubjectKind = Literal["email", "phone", "device_id", "loyalty_card", "account_id"]
SUBJECT_KINDS: tuple[SubjectKind, ...] = get_args(SubjectKind)
# Those that can link two records.
LinkIdentifier = Literal[IdentifierKind, "serial", "handle"]
LINK_IDENTIFIERS: tuple[LinkIdentifier, ...] = get_args(LinkIdentifier)
# Those at which the golden record reaches a person, and those on which a purpose may decide one by one.
ContactPointKind = Literal["email", "phone"]
CONTACT_POINT_KINDS: tuple[ContactPointKind, ...] = get_args(ContactPointKind)
DecisionPointKind = Literal[ContactPointKind, "device_id"]
DECISION_POINT_KINDS: tuple[DecisionPointKind, ...] = get_args(DecisionPointKind)
ContactPointState = Literal["replaced", "bounced", "complained", "unsubscribed", "verified", "unverified"]
CONTACT_POINT_STATES: tuple[ContactPointState, ...] = get_args(ContactPointState)

InteractionType = Literal[
    "order", "refund", "receipt", "event", "call", "post", "survey", "reading", "visit", "warranty"
]
INTERACTION_TYPES: tuple[InteractionType, ...] = get_args(InteractionType)

# The purpose of a consent event that is about the person or contact point itself, not about one purpose.
ABOUT_SUBJECT = "*"
# Statuses of consent events about one purpose, and about the person or contact point itself.
PurposeStatus = Literal["granted", "denied", "withdrawn", "objected", "objection_withdrawn"]
PURPOSE_STATUSES: tuple[PurposeStatus, ...] = get_args(PurposeStatus)
SubjectStatus = Literal[
    "restricted", "restriction_lifted", "erased", "unsubscribed", "complained", "bounced", "verified"
]
SUBJECT_STATUSES: tuple[SubjectStatus, ...] = get_args(SubjectStatus)
# Those that permit something; all others are denials or blocks.
PERMISSIVE_STATUSES = ("granted", "objection_withdrawn", "restriction_lifted", "verified")
CONSENT_STATUSES: tuple[PurposeStatus | SubjectStatus, ...] = (*PURPOSE_STATUSES, *SUBJECT_STATUSES)

# Why a consent event or request names nobody.
UnresolvedReason = Literal["no_subject", "several_subjects", "unreadable_subject", "unknown_subject"]
UNRESOLVED_REASONS: tuple[UnresolvedReason, ...] = get_args(UnresolvedReason)

# Rights of data subjects, GDPR Art. 15 to 21.
RequestKind = Literal["access", "erasure", "portability", "rectification", "objection", "restriction"]
REQUEST_KINDS: tuple[RequestKind, ...] = get_args(RequestKind)

PreferredChannel = Literal["email", "sms", "push", "post", "social"]
PREFERRED_CHANNELS: tuple[PreferredChannel, ...] = get_args(PreferredChannel)

# GDPR Art. 6(1)(a) to (f).
LawfulBasis = Literal[
    "consent", "contract", "legal_obligation", "vital_interests", "public_interest", "legitimate_interests"
]
LAWFUL_BASES: tuple[LawfulBasis, ...] = get_args(LawfulBasis)

FileOutcome = Literal["loaded", "loaded_with_warnings", "refused", "empty", "no_channel", "not_read", "repeated"]
FILE_OUTCOMES: tuple[FileOutcome, ...] = get_args(FileOutcome)
CustomerEvent = Literal["created", "merged", "split"]
CUSTOMER_EVENTS: tuple[CustomerEvent, ...] = get_args(CustomerEvent)

# Members of the European Economic Area, where the GDPR applies.
EEA_COUNTRIES = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK".split()  # noqa: SIM905
)
