"""Names of roles, rights, kinds of entries and states in a language, for every page that shows one."""

from __future__ import annotations

from collections.abc import Mapping

from kenpin.station.who.rights import Right, Role
from kenpin.words import Texts


def role_names(words: Texts) -> Mapping[Role, str]:
    """What each role is called."""
    return {
        Role.VIEWER: words("Viewer"),
        Role.REVIEWER: words("Reviewer"),
        Role.ENGINEER: words("Engineer"),
        Role.AUDITOR: words("Auditor"),
        Role.ADMIN: words("Administrator"),
    }


def right_names(words: Texts) -> Mapping[Right, str]:
    """What each right lets one do."""
    return {
        Right.LOOK: words("see parts, counts and charts"),
        Right.REVIEW: words("say what a part is"),
        Right.SUBMIT: words("hand in parts to be judged"),
        Right.UPLOAD: words("hand in pictures to learn from"),
        Right.LEARN: words("freeze data sets, start trainings"),
        Right.APPROVE: words("let a version judge, or reject it"),
        Right.SET_POLICY: words("change thresholds and costs"),
        Right.OPERATE: words("see and steer sources and sinks"),
        Right.AUDIT: words("read the trail"),
        Right.ADMINISTER: words("add and change accounts and tokens"),
    }


def entry_names(words: Texts) -> Mapping[str, str]:
    """What each kind of entry in the trail tells."""
    return {
        "account-added": words("account added"),
        "account-changed": words("account changed"),
        "data-set-frozen": words("data set frozen"),
        "job-cancelled": words("training cancelled"),
        "job-ordered": words("training ordered"),
        "link-made": words("link to an account made"),
        "locked-out": words("locked after failed tries"),
        "message-given-up": words("message given up"),
        "messages-sent-again": words("messages sent again"),
        "part-assigned": words("product of a part told"),
        "part-reviewed": words("part reviewed"),
        "pictures-removed": words("pictures removed"),
        "reference-set": words("reference of the charts chosen"),
        "review-rules-told": words("costs and chances of reviews changed"),
        "review-undone": words("review undone"),
        "sign-in-failed": words("sign-in failed"),
        "signed-in": words("signed in"),
        "signed-out": words("signed out"),
        "sink-tried": words("sink tried again"),
        "source-tried": words("source tried again"),
        "token-made": words("token made"),
        "token-revoked": words("token revoked"),
        "version-approved": words("version approved"),
        "version-installed": words("version installed"),
        "version-rejected": words("version rejected"),
        "version-switched": words("another version judges"),
    }


def standing_names(words: Texts) -> Mapping[str, str]:
    """How a source or a sink stands."""
    return {
        "starting": words("starts"),
        "up": words("runs"),
        "waits": words("waits for the line"),
        "away": words("cannot be reached"),
        "refuses": words("refuses a message"),
        "finished": words("has come to its end"),
    }
