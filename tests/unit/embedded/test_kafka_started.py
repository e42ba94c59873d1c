"""How an embedded broker is started; none is."""

from pathlib import Path

import pytest

from embedded.data_folder import DataFolder
from embedded.kafka import Kafka

_QUICK_ALONE = "-XX:TieredStopAtLevel=1"


@pytest.mark.parametrize(("for_load", "is_quick"), ((False, True), (True, False)))
def test_java_compiles_at_length_for_load_alone(tmp_path: Path, for_load: bool, is_quick: bool) -> None:
    folder = DataFolder(tmp_path, lambda _: None)
    folder.acquire()
    try:
        broker = Kafka(folder, settings={}, report=lambda _: None, for_load=for_load)
        broker.ports = dict.fromkeys(broker.port_names, 1)
        command = broker.program().command
    finally:
        folder.release()
    assert (_QUICK_ALONE in command) == is_quick
    assert command[-2:] == ["kafka.Kafka", "kafka.properties"]
