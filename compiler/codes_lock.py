"""Messages about specs that are not what a lock says."""

from __future__ import annotations

from thetaprime.codes_text import Code

LOCK_CODES: dict[str, Code] = {
    "rule-changed": Code(
        "`{name}` {verdict} the locked rule", "another meaning than in the lock",
        ("`thetaprime lock --update` locks it as it is now",),
        reason="A lock holds what a rule means: other names of states and quantities, another "
               "order, and rewriting that is proved to change nothing are the same rule. This one "
               "makes other iterates, or no proof was found that it does not."),
    "hyper-changed": Code(
        "the hyperparameter `{hyper}` of `{name}` is not as it is locked", "{what}",
        ("`thetaprime lock --update` locks it as it is now",),
        reason="Whoever says nothing about a hyperparameter gets its default: another one makes "
               "other iterates, and another range refuses other values, though the equations are "
               "the same."),
}
