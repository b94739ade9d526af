"""What lies in a bucket, read and written without the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
import orjson
from botocore.config import Config

KEYS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Bucket:
    endpoint: str
    name: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def create(self) -> None:
        self._client.create_bucket(Bucket=self.name)

    def list_keys(self, prefix: str = "") -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def read(self, key: str) -> bytes:
        content: bytes = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def write(self, key: str, content: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=content)

    def read_rows(self, prefix: str) -> list[dict[str, Any]]:
        """Of all JSON lines below a prefix."""
        keys = [key for key in self.list_keys(prefix) if key.endswith(".jsonl")]
        return [orjson.loads(line) for key in keys for line in self.read(key).splitlines()]

    @property
    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 1}),
        )
