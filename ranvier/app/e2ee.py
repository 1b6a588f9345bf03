"""Builds end-to-end encryption's side: keys, messages to devices, backups."""

from dataclasses import dataclass

from ranvier.api.client.cross_signing import CrossSigningApi
from ranvier.api.client.dehydrated_device import DehydratedDeviceApi
from ranvier.api.client.key_backup import KeyBackupApi
from ranvier.api.client.keys import KeysApi
from ranvier.api.client.to_device import ToDeviceApi
from ranvier.app.accounts import UserServices
from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.e2ee.claim_keys import Claims
from ranvier.e2ee.cross_signing import CrossSigning
from ranvier.e2ee.dehydrated import DehydratedDevices
from ranvier.e2ee.device_cleanup import DeviceCleanup
from ranvier.e2ee.device_lists import DeviceLists
from ranvier.e2ee.inboxes import Inboxes
from ranvier.e2ee.key_backup import KeyBackups
from ranvier.e2ee.key_counts import KeyCounts
from ranvier.e2ee.query_keys import KeyQueries
from ranvier.e2ee.sign_keys import KeySigning
from ranvier.e2ee.to_device import ToDevice
from ranvier.e2ee.upload_keys import KeyUpload
from ranvier.http.route import Route
from ranvier.ports import Clock
from ranvier.sync.device_list_stream import DeviceListStream


@dataclass(frozen=True, slots=True, kw_only=True)
class E2eeServices:
    """What the API modules about encryption call, what `/sync` reads, and what has to run."""

    backups: KeyBackups
    claims: Claims
    counts: KeyCounts
    cross_signing: CrossSigning
    dehydrated: DehydratedDevices
    device_lists: DeviceLists
    inboxes: Inboxes
    queries: KeyQueries
    signing: KeySigning
    to_device: ToDevice
    upload: KeyUpload


async def build_e2ee(*, db: Database, clock: Clock, config: Config, users: UserServices) -> E2eeServices:
    """Every object about encryption. What it keeps for devices and users goes with them."""
    device_lists = await DeviceLists.load(db)
    counts = KeyCounts(db=db)
    queries = KeyQueries(db=db, server_name=config.server_name)
    device_lists.on_changed.append(queries.on_changed)
    device_lists.on_signed.append(queries.on_signed)
    inboxes = await Inboxes.load(db, clock)
    upload = KeyUpload(device_lists=device_lists, counts=counts, clock=clock)
    cleanup = DeviceCleanup(device_lists=device_lists, counts=counts, inboxes=inboxes)
    users.removal.steps.append(cleanup.remove)
    users.account_changes.deactivation_steps.append(cleanup.deactivate)
    users.devices.on_renamed.append(device_lists.on_renamed)
    return E2eeServices(
        backups=KeyBackups(db=db),
        claims=Claims(db=db, counts=counts, server_name=config.server_name),
        counts=counts,
        cross_signing=CrossSigning(
            db=db, clock=clock, device_lists=device_lists, reauthentication=users.reauthentication
        ),
        dehydrated=DehydratedDevices(
            db=db,
            removal=users.removal,
            device_lists=device_lists,
            inboxes=inboxes,
            counts=counts,
            upload=upload,
        ),
        device_lists=device_lists,
        inboxes=inboxes,
        queries=queries,
        signing=KeySigning(db=db, device_lists=device_lists, queries=queries),
        to_device=ToDevice(db=db, clock=clock, inboxes=inboxes, server_name=config.server_name),
        upload=upload,
    )


def e2ee_routes(services: E2eeServices, device_lists: DeviceListStream) -> list[Route]:
    """Every route about encryption."""
    return [
        *KeysApi(
            upload=services.upload, queries=services.queries, claims=services.claims, device_lists=device_lists
        ).routes(),
        *CrossSigningApi(cross_signing=services.cross_signing, signing=services.signing).routes(),
        *ToDeviceApi(to_device=services.to_device).routes(),
        *KeyBackupApi(backups=services.backups).routes(),
        *DehydratedDeviceApi(dehydrated=services.dehydrated).routes(),
    ]
