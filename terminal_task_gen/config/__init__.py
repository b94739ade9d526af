"""The configuration: one frozen tree, YAML in, `--set a.b=c` on top, the resolved one saved in the run.

Unknown fields are refused. Secrets are never in it: endpoints name the environment variable that holds their key.
"""

from __future__ import annotations

from terminal_task_gen.config.endpoint import EndpointConfig, ReplicaConfig, TeacherConfig
from terminal_task_gen.config.filtering import FilterConfig
from terminal_task_gen.config.gates import GateConfig
from terminal_task_gen.config.generation import GenerateConfig
from terminal_task_gen.config.load import dump_config, load_config, load_rules, load_tree, read_storage_options
from terminal_task_gen.config.mixing import MixRecipe, MixSource
from terminal_task_gen.config.rollouts import MAX_AUTO, RolloutConfig, SandboxConfig
from terminal_task_gen.config.storage import StorageConfig
from terminal_task_gen.config.tree import Config

__all__ = [
    "MAX_AUTO",
    "Config",
    "EndpointConfig",
    "FilterConfig",
    "GateConfig",
    "GenerateConfig",
    "MixRecipe",
    "MixSource",
    "ReplicaConfig",
    "RolloutConfig",
    "SandboxConfig",
    "StorageConfig",
    "TeacherConfig",
    "dump_config",
    "load_config",
    "load_rules",
    "load_tree",
    "read_storage_options",
]
