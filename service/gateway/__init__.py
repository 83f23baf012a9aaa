"""The one door: every protocol meets the models here.

Knows no wire.
"""

from service.gateway.admin import Admin
from service.gateway.door import Gateway

__all__ = ["Admin", "Gateway"]
