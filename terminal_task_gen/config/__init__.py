"""The configuration: one frozen tree, YAML in, `--set a.b=c` on top, the resolved one saved in the run.

Unknown fields are refused. Secrets are never in it: endpoints name the environment variable that holds their key.
"""

from __future__ import annotations

from terminal_task_gen.config.endpoint import EndpointConfig, TeacherConfig
from terminal_task_gen.config.filtering import FilterConfig
from terminal_task_gen.config.generation import GenerateConfig
from terminal_task_gen.config.load import dump_config, load_config, load_rules
from terminal_task_gen.config.rollouts import RolloutConfig, SandboxConfig
from terminal_task_gen.config.tree import Config

__all__ = [
    "Config",
    "EndpointConfig",
    "FilterConfig",
    "GenerateConfig",
    "RolloutConfig",
    "SandboxConfig",
    "TeacherConfig",
    "dump_config",
    "load_config",
    "load_rules",
]
