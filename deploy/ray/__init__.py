"""The gateway as a Ray Serve application: an ingress for all wires, and one deployment for each model.

Knows Ray and how the gateway's rooms are wired. Nothing of the gateway knows it: Ray lives in `.venv-ray`.
"""

import os

# Before ONNX Runtime is imported: some builds send telemetry unless told not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
