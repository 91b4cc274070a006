"""Rooms: publish and subscribe, presence and history, in one process or across many machines."""

from ..websocket.options import SlowConsumer
from .broker import Broker, Hub, RoomSettings
from .listening import Subscription
from .members import Member, plain
from .messages import Message, RoomsError, RoomsUnavailable, SlowSubscriber
from .presence import Changes, PresenceChange
from .rooms import Rooms, RoomsStatistics

__all__ = [
    "Broker",
    "Changes",
    "Hub",
    "Member",
    "Message",
    "PresenceChange",
    "RoomSettings",
    "Rooms",
    "RoomsError",
    "RoomsStatistics",
    "RoomsUnavailable",
    "SlowConsumer",
    "SlowSubscriber",
    "Subscription",
    "plain",
]
