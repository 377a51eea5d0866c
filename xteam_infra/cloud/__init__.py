"""What lives at a cloud provider: read and changed through boto3 from the controller, compared like files on a host."""

from xteam_infra.cloud.bucket import Bucket, Part, difference, live
from xteam_infra.cloud.storage import ObjectStorage, client

__all__ = ["Bucket", "ObjectStorage", "Part", "client", "difference", "live"]
