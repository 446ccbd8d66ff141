"""The rules of a realm, as Keycloak's admin API spells them: who may sign in, how, for how long, and what is recorded.

Every value that a rule asks for names the rule: SNC is ANSSI's SecNumCloud 3.2 (control catalogue IAM-01 to IAM-11,
LOG-03), CNIL its recommendation on passwords (deliberation 2022-100) and on logging (2021-122).
"""

from typing import Any

MINUTE = 60
DAY = 24 * 60 * MINUTE

IDLE = 30 * MINUTE
"""A session without a request for so long ends (IAM-09: at most 30 minutes)."""
LONGEST_SESSION = 10 * 60 * MINUTE
"""A session ends whatever its owner does: a working day (IAM-09: at most 12 hours)."""
FAILURES = 5
"""Failed sign-ins until an account is locked (IAM-02, SNC 9.5.b: at most 10)."""
LOCKED = 15 * MINUTE
"""For how long; twice as long after as many again, and so on."""
LONGEST_LOCK = 4 * 60 * MINUTE
EVENTS_KEPT = 365 * DAY
"""Sign-ins and administration can be looked up for a year (CNIL 2021-122: six months to a year)."""

PASSWORD_POLICY = " and ".join(
    [
        # Long enough without special characters (CNIL 2022-100, first case); 128 bounds the work of hashing.
        "length(14)",
        "maxLength(128)",
        "upperCase(1)",
        "lowerCase(1)",
        "digits(1)",
        "notUsername(undefined)",
        "notEmail(undefined)",
        "passwordHistory(5)",
    ]
)

Settings = dict[str, Any]


def realm_settings(title: str) -> Settings:
    """The realm's own settings.

    Args:
        title: what people read above the sign-in form.
    """
    return {
        "displayName": title,
        "enabled": True,
        "sslRequired": "all",
        **_accounts(),
        **_lockout(),
        **_sessions(),
        **_one_time_passwords(),
        **_events(),
        "internationalizationEnabled": True,
        "supportedLocales": ["en", "fr"],
        "defaultLocale": "en",
    }


def _accounts() -> Settings:
    """Named people only, entered by an administrator, each with an address of their own (IAM-03, SNC 9.2.b)."""
    return {
        "registrationAllowed": False,
        "registrationEmailAsUsername": False,
        "editUsernameAllowed": False,
        "duplicateEmailsAllowed": False,
        "loginWithEmailAllowed": True,
        "verifyEmail": True,
        "resetPasswordAllowed": False,
        "rememberMe": False,
        "passwordPolicy": PASSWORD_POLICY,
    }


def _lockout() -> Settings:
    return {
        "bruteForceProtected": True,
        "permanentLockout": False,
        "failureFactor": FAILURES,
        "bruteForceStrategy": "MULTIPLE",
        "waitIncrementSeconds": LOCKED,
        "maxFailureWaitSeconds": LONGEST_LOCK,
        "maxDeltaTimeSeconds": DAY,
        "quickLoginCheckMilliSeconds": 1000,
        "minimumQuickLoginWaitSeconds": MINUTE,
    }


def _sessions() -> Settings:
    return {
        "ssoSessionIdleTimeout": IDLE,
        "ssoSessionMaxLifespan": LONGEST_SESSION,
        "clientSessionIdleTimeout": IDLE,
        "clientSessionMaxLifespan": LONGEST_SESSION,
        # Nothing asks for tokens that outlive a session; should a client do so, they end with the others.
        "offlineSessionIdleTimeout": IDLE,
        "offlineSessionMaxLifespanEnabled": True,
        "offlineSessionMaxLifespan": LONGEST_SESSION,
        "accessTokenLifespan": 5 * MINUTE,
        "accessCodeLifespan": MINUTE,
        "accessCodeLifespanLogin": 10 * MINUTE,
        "accessCodeLifespanUserAction": 10 * MINUTE,
        "revokeRefreshToken": True,
        "refreshTokenMaxReuse": 0,
    }


def _one_time_passwords() -> Settings:
    """RFC 6238 as every authenticator app has it; a password is good for one sign-in."""
    return {
        "otpPolicyType": "totp",
        "otpPolicyAlgorithm": "HmacSHA1",
        "otpPolicyDigits": 6,
        "otpPolicyPeriod": 30,
        "otpPolicyLookAheadWindow": 1,
        "otpPolicyCodeReusable": False,
    }


def _events() -> Settings:
    """Who signed in, failed to, and what administrators did, in the database and in the server's log (LOG-03)."""
    return {
        "eventsEnabled": True,
        "eventsExpiration": EVENTS_KEPT,
        "eventsListeners": ["jboss-logging"],
        "adminEventsEnabled": True,
        "adminEventsDetailsEnabled": True,
    }


def user_profile(mark: str) -> Settings:
    """What is known of a person, and who may change it.

    A project's hub knows a new member by the e-mail address, so nobody changes an own one: only administrators do.

    Args:
        mark: the attribute that tells the program's own accounts.
    """
    return {
        "attributes": [
            _attribute("username", ["admin"], {"length": {"min": 3, "max": 255}}),
            _attribute("email", ["admin"], {"email": {}, "length": {"max": 255}}) | {"required": {"roles": ["admin"]}},
            _attribute("firstName", ["admin", "user"], {"length": {"max": 255}}),
            _attribute("lastName", ["admin", "user"], {"length": {"max": 255}}),
            {"name": mark, "permissions": {"view": ["admin"], "edit": ["admin"]}, "validations": {}},
        ],
    }


def _attribute(name: str, editors: list[str], validations: Settings) -> Settings:
    permissions = {"view": ["admin", "user"], "edit": editors}
    return {"name": name, "displayName": f"${{{name}}}", "permissions": permissions, "validations": validations}


def required_actions() -> Settings:
    """What people are asked for once: a one-time password from everyone, at the first sign-in (IAM-01)."""
    return {
        "CONFIGURE_TOTP": {"enabled": True, "defaultAction": True},
        "UPDATE_PASSWORD": {"enabled": True, "defaultAction": False},
        "VERIFY_EMAIL": {"enabled": True, "defaultAction": False},
        "delete_account": {"enabled": False, "defaultAction": False},
    }


UNUSED_CLIENTS = ["admin-cli", "security-admin-console"]
"""Clients that Keycloak gives every realm and that nobody here signs in to: the realm's administrators are others,
in a realm of their own (IAM-11)."""

PASSWORD_AND_CODE: list[Settings] = [
    {"authenticator": "auth-cookie", "requirement": "ALTERNATIVE"},
    {
        "flow": "password-and-code",
        "requirement": "ALTERNATIVE",
        "steps": [
            {"authenticator": "auth-username-password-form", "requirement": "REQUIRED"},
            {"authenticator": "auth-otp-form", "requirement": "REQUIRED"},
        ],
    },
]
"""Sign-in by browser: a running session, or else a password and a one-time password, for everyone (IAM-01).

Keycloak's own flow asks for the second only of those who have set it up.
"""

REFUSED: list[Settings] = [{"authenticator": "deny-access-authenticator", "requirement": "REQUIRED"}]
"""Sign-in by sending a password to the token endpoint: never, for whichever client allows it (IAM-01)."""
