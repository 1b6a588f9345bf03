"""Builds what writes to those who have missed messages, where the operator wants it."""

from ranvier.app.accounts import UserServices
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.ports import Clock
from ranvier.sync.missed import MissedMessages
from ranvier.sync.missed_mail import MissedMail


def build_missed_mail(*, config: Config, clock: Clock, users: UserServices, rooms: RoomServices) -> MissedMail | None:
    """`None` where nobody is written to (`email.enable_notifs`)."""
    users.pushers.stream_pos = lambda: rooms.appender.stream_pos
    if config.email is None or not config.email.enable_notifs or users.mail is None:
        return None
    ephemeral = rooms.ephemeral
    missed = MissedMessages(
        rooms=rooms.rooms,
        feeds=rooms.feeds,
        unread=ephemeral.unread,
        notifying=ephemeral.notifying,
        serving=rooms.serving,
    )
    mail = MissedMail(
        db=rooms.rooms.db,
        clock=clock,
        feeds=rooms.feeds,
        missed=missed,
        mailer=users.mail.mailer,
        pushers=users.pushers,
        profiles=users.profiles,
        delay_ms=config.email.notif_delay_before_mail_ms,
        client_base_url=config.email.client_base_url,
    )
    users.pushers.on_mail_wanted.append(mail.want)
    rooms.appender.listeners.append(mail.on_commit)
    return mail
