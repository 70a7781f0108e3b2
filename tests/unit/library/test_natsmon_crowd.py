"""Accounts of a server: of very many, those are told that are near a limit, then the busiest."""

from diagmesh.adapters.natsmon.accstatz import AccountStat, Accstatz
from diagmesh.adapters.natsmon.crowd import accounts_of
from diagmesh.adapters.natsmon.jsz import AccountDetail, Jsz
from diagmesh.adapters.natsmon.replies import Replies
from diagmesh.adapters.natsmon.varz import Varz


def test_an_account_near_its_limit_is_told_however_quiet_it_is() -> None:
    busy = tuple(AccountStat(acc=f"busy{number}", conns=100 - number) for number in range(50))
    quiet = AccountStat(acc="quiet", conns=1)
    store = AccountDetail(name="quiet", id="quiet", storage=95, reserved_storage=100)
    told = accounts_of(
        Replies(varz=Varz(), accstatz=Accstatz(accounts=(*busy, quiet)), jsz=Jsz(account_details=(store,)))
    )
    assert [one.name for one in told[:3]] == ["quiet", "busy0", "busy1"]
    assert len(told) == 32
