"""What `whopays send` makes of its words, before anything is sent."""

from typing import Any

import pytest

from cli.sending.composing import compose
from cli.terminal.ending import CommandFailed, Misused
from schemas.topics import Topic

ATTRIBUTES = {"id": "1", "source": "/cli", "authid": "ada"}


def data_of(name: str, *members: str) -> Any:
    return compose(name, {}, members, ATTRIBUTES).event["data"]


def test_values_are_json_only_where_the_member_is_not_text() -> None:
    assert data_of("ProjectChanged", "version=2", "displayName=2", "state=Active") == {
        "version": 2,
        "displayName": "2",
        "state": "Active",
    }
    assert data_of("BindProject", "dryRun=true", "reason=true") == {"dryRun": True, "reason": "true"}


def test_null_is_said_where_a_member_may_be_null() -> None:
    assert data_of("BindProject", "expectedAccount=null", "account=null") == {
        "expectedAccount": None,
        "account": "null",
    }


def test_paths_reach_into_members() -> None:
    assert data_of(
        "CreateAccount",
        'paymentTerms={"netDays": 30}',
        "paymentTerms.invoiceDayOfMonth=3",
        "paymentTerms.earlyPaymentDiscount.percent=2.5",
        "paymentTerms.earlyPaymentDiscount.withinDays=10",
    ) == {
        "paymentTerms": {
            "netDays": 30,
            "invoiceDayOfMonth": 3,
            "earlyPaymentDiscount": {"percent": "2.5", "withinDays": 10},
        }
    }


def test_what_the_schema_does_not_know_is_sent_as_text_for_the_service_to_judge() -> None:
    assert data_of("BindProject", "nonsense=3", "a=b=c") == {"nonsense": "3", "a": "b=c"}


@pytest.mark.parametrize(
    ("name", "member", "words"),
    (
        ("ProjectChanged", "version=two", "^version: two is not an integer$"),
        ("ProjectChanged", "version", "not MEMBER=VALUE"),
        ("Bindproject", "project=web", "Did you mean BindProject?"),
        ("Nonsense", "project=web", "Known are CreateAccount"),
        (None, "project=web", "Say what to send"),
    ),
)
def test_what_cannot_be_sent_is_explained(name: str | None, member: str, words: str) -> None:
    with pytest.raises(CommandFailed, match=words):
        compose(name, {}, [member], ATTRIBUTES)


@pytest.mark.parametrize(
    ("name", "member", "said"),
    (
        ("ProjectChanged", "version=1x", "version: 1x is not an integer"),
        ("ProjectChanged", "version=", "version:  is not an integer"),
        ("ProjectChanged", "version=NaN", "version: NaN is not an integer"),
        ("ProjectChanged", 'version=1, "state": "Active"', 'version: 1, "state": "Active" is not an integer'),
        ("BindProject", "dryRun=yes", "dryRun: yes is neither true nor false"),
        ("BindProject", "waitSeconds=5s", "waitSeconds: 5s is not an integer"),
        ("UpdateAccount", "paymentTerms.netDays=thirty", "paymentTerms.netDays: thirty is not an integer"),
        ("UpdateAccount", "paymentTerms={netDays: 30}", "paymentTerms: {netDays: 30} is not an object. Write it"),
        ("UpdateAccount", 'contact={"name": "a", "name": "b"}', "is not an object"),
        ("UpdateAccount", 'contact={"name": "\\ud800"}', "is not an object"),
        ("TransferProjects", "projects=a,b", "projects: a,b is not a list. Write it as JSON, such as"),
    ),
)
def test_errors_are_in_the_words_of_the_command(name: str, member: str, said: str) -> None:
    with pytest.raises(Misused) as raised:
        compose(name, {}, [member], ATTRIBUTES)
    assert said in str(raised.value)
    for foreign in ("Expecting", "char 0", "line 1", "JSONDecodeError"):
        assert foreign not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "topic"),
    (
        ("BindProject", Topic.ADMIN_COMMANDS),
        ("io.milo.billing.SuspendAccount.v1", Topic.ADMIN_COMMANDS),
        ("ProjectChanged", Topic.PROJECTS),
        ("PaymentProfileChanged", Topic.PAYMENT_PROFILES),
    ),
)
def test_each_kind_goes_to_its_topic(name: str, topic: Topic) -> None:
    message = compose(name, {"organization": "acme"}, (), ATTRIBUTES)
    assert (message.topic, message.key, message.is_command) == (topic, b"acme", topic is Topic.ADMIN_COMMANDS)


def test_a_file_may_hold_a_whole_event_and_options_go_before_it() -> None:
    event = {
        "specversion": "1.0",
        "id": "of the file",
        "source": "/file",
        "type": "io.milo.billing.BindProject.v1",
        "correlationid": "c",
        "data": {"organization": "acme", "project": "web"},
    }
    message = compose(None, event, ["project=app"], {"id": "mine", "source": None, "authid": "ada"})
    assert message.event | {"time": None} == event | {
        "id": "mine",
        "authid": "ada",
        "time": None,
        "data": {"organization": "acme", "project": "app"},
    }
