-- Whether anybody here is in a room.

CREATE INDEX local_members_joined ON local_members (room_nid) WHERE membership = 1;
