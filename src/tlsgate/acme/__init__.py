"""
Certificates from an ACME CA (RFC 8555): ordered, proven, installed, renewed.

An order is asked for (L{_requests}), kept (L{_order}), run (L{_orders}), and brought to its end by L{_fulfilment}:
L{_preflight} and L{_budget} before it is spent, L{_issuance} for the conversation, state by state, over L{_client}
(patience, threads) and L{_ca} (the library acme, with L{_accounts}, L{_values}, L{_objections}), L{_challenges} with
L{_tls_alpn}, L{_dns} and L{_temporary} for the answers.  L{_schedule} looks at the clock, L{_renewal} knows what is due,
L{_problems} what to do about a refusal, and L{_acme} is asked.
"""

from ._accounts import Account
from ._acme import REASONS, Acme, make_acme
from ._budget import LIMITS, Limits
from ._order import FINAL, Order, OrderRequest, OrderState, Step, Task
from ._problems import OrderFailed, OrderProblem

__all__ = [
    "FINAL",
    "LIMITS",
    "REASONS",
    "Account",
    "Acme",
    "Limits",
    "Order",
    "OrderFailed",
    "OrderProblem",
    "OrderRequest",
    "OrderState",
    "Step",
    "Task",
    "make_acme",
]
