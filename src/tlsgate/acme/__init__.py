"""
Certificates from an ACME CA (RFC 8555): ordered, proven, installed, renewed.

An order is L{_order} (what is kept) → L{_fulfilment} (from the queue to the change) → L{_preflight} and L{_budget}
(before it is spent) → L{_issuance} (the conversation, state by state) → L{_client} and L{_ca} (in threads, over the
library acme) → L{_challenges} with L{_tls_alpn}, L{_dns} and L{_temporary} (answers).  L{_renewal} knows when,
L{_problems} knows what to do about it, L{_acme} is asked.
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
