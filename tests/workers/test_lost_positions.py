"""Positions on Kafka that were lost, or a database that was restored: nothing is published again, and it is said why."""

import subprocess
from pathlib import Path

import pytest
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition
from sqlalchemy import make_url, text

from db.published import published_at_least
from embedded.postgresql import binaries
from schemas.topics import Topic
from tests.cli.conftest import whopays_of
from tests.installations import Installation, Worker
from tests.kafka import all_consumed, exactly_published, published, send
from tests.messages import account, bind, profile, project
from tests.waiting import until
from workers.cluster import administration, describe
from workers.positions import read_positions
from workers.roles import Role
from workers.topics import create_topics
