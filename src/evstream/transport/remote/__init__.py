"""Objects of a store, by URL: read in ranges, listed, and written in parts.

obstore serves s3, gs, az and http(s), fsspec every other kind of URL; both come with the extra
evstream[remote] and are imported when a URL of theirs is used. ARCHITECTURE.md says why these two.
Not here: local files, `file://` included.
May import: transport.
"""

from evstream.transport.remote.listing import list_facts as list_facts
from evstream.transport.remote.listing import object_facts as object_facts
from evstream.transport.remote.remote_file import RemoteFile as RemoteFile
