"""The kinds of entries that accounts, sessions and tokens leave in the trail; none of them holds a secret.

They fill no rows of the store: accounts, sessions and tokens live there alone.
"""

SIGNED_IN, SIGN_IN_FAILED, SIGNED_OUT, LOCKED_OUT = "signed-in", "sign-in-failed", "signed-out", "locked-out"
ACCOUNT_ADDED, ACCOUNT_CHANGED = "account-added", "account-changed"
LINK_MADE = "link-made"
TOKEN_MADE, TOKEN_REVOKED = "token-made", "token-revoked"
ENTRY_KINDS = frozenset(
    {
        SIGNED_IN,
        SIGN_IN_FAILED,
        SIGNED_OUT,
        LOCKED_OUT,
        ACCOUNT_ADDED,
        ACCOUNT_CHANGED,
        LINK_MADE,
        TOKEN_MADE,
        TOKEN_REVOKED,
    }
)
"""All of them."""
