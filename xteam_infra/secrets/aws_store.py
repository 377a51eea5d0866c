"""Secrets in AWS Secrets Manager, one secret per name below a prefix."""

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from xteam_infra.errors import SecretsError

# A store that does not answer must fail the run in seconds, not after botocore's default minutes.
CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 2})


class AwsStore:
    """Credentials and endpoint as boto3 finds them (profile, role, AWS_ENDPOINT_URL_SECRETS_MANAGER)."""

    def __init__(self, region: str, prefix: str):
        self.region, self.prefix = region, prefix
        self.client = boto3.client("secretsmanager", region_name=region, config=CONFIG)

    def get(self, name: str) -> str | None:
        try:
            value: str = self.client.get_secret_value(SecretId=self._id(name))["SecretString"]
            return value
        except self.client.exceptions.ResourceNotFoundException:
            return None
        except (BotoCoreError, ClientError) as error:
            raise self._refused("read", name, error) from error

    def create(self, name: str, value: str) -> str:
        try:
            self.client.create_secret(
                Name=self._id(name),
                SecretString=value,
                Tags=[{"Key": "managed-by", "Value": "xteam-infra"}],
            )
            return value
        except self.client.exceptions.ResourceExistsException:
            return self.get(name) or value
        except (BotoCoreError, ClientError) as error:
            raise self._refused("created", name, error) from error

    def replace(self, name: str, value: str) -> None:
        if self.create(name, value) == value:
            return
        try:
            self.client.put_secret_value(SecretId=self._id(name), SecretString=value)
        except (BotoCoreError, ClientError) as error:
            raise self._refused("replaced", name, error) from error

    def remove(self, name: str) -> None:
        try:
            # At once: a name in its recovery window could not be used for the next rotation.
            self.client.delete_secret(SecretId=self._id(name), ForceDeleteWithoutRecovery=True)
        except self.client.exceptions.ResourceNotFoundException:
            return
        except (BotoCoreError, ClientError) as error:
            raise self._refused("removed", name, error) from error

    def _id(self, name: str) -> str:
        return f"{self.prefix}/{name}"

    def _refused(self, verb: str, name: str, error: Exception) -> SecretsError:
        return SecretsError(
            f"secret {self._id(name)} can't be {verb} in AWS Secrets Manager, region {self.region}: {error}\n"
            f"    allowed: credentials with secretsmanager:GetSecretValue and CreateSecret on {self.prefix}/*, for a "
            "rotation also PutSecretValue and DeleteSecret "
            "(secrets_store in group_data/all.py)"
        )
