"""What runs inside a Python sandbox: loads the function's module, then answers one invocation after the other.

Its environment is all it gets, as on AWS. Errors have the words of Lambda's own runtime:
https://github.com/aws/aws-lambda-python-runtime-interface-client
"""

import importlib
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback

# Where the process that started this one speaks: a line of JSON each way.
CHANNEL = 3


class Context:
    """https://docs.aws.amazon.com/lambda/latest/dg/python-context.html"""

    identity = None
    client_context = None

    def __init__(self, message):
        self.aws_request_id = message["requestId"]
        self.invoked_function_arn = message["functionArn"]
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self._deadline_ms = message["deadlineMs"]

    def get_remaining_time_in_millis(self):
        return max(0, int(self._deadline_ms - time.time() * 1000))


def main():
    channel = socket.socket(fileno=CHANNEL)
    channel.set_inheritable(False)
    messages = queue.SimpleQueue()
    threading.Thread(target=listen, args=(channel, messages), daemon=True).start()

    def say(message):
        channel.sendall(json.dumps(message).encode() + b"\n")

    handler, broken = load(os.environ.get("LAMBDA_TASK_ROOT", ""), os.environ.get("_HANDLER", ""))
    say({"kind": "broken", "error": broken} if broken else {"kind": "ready"})
    while True:
        say(answer(handler, messages.get()))


def listen(channel, messages):
    """Takes messages; when the one who sends them is gone, however it went, ends this process and all it spawned."""
    with channel.makefile("rb") as lines:
        for line in lines:
            messages.put(json.loads(line))
    os.killpg(0, signal.SIGKILL)


def load(root, name):
    """The handler, or the error with which every invocation fails."""
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        return None, fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': it has no function after a dot")
    sys.path.insert(0, root)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        return None, fault("Runtime.ImportModuleError", message)
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        return None, fault("Runtime.UserCodeSyntaxError", message)
    except Exception as error:
        return None, describe(error)
    handler = getattr(module, function_name, None)
    if handler is None:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        return None, fault("Runtime.HandlerNotFound", message)
    return handler, None


def answer(handler, message):
    try:
        result = handler(json.loads(message["payload"]), Context(message))
    except Exception as error:
        print(f"[ERROR] {type(error).__name__}: {error}", flush=True)
        traceback.print_exc()
        return {"kind": "error", "error": {**describe(error), "requestId": message["requestId"]}}
    try:
        return {"kind": "result", "payload": json.dumps(result)}
    except TypeError as error:
        return {"kind": "error", "error": fault("Runtime.MarshalError", f"Unable to marshal response: {error}")}


def describe(error):
    stack = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
    return fault(type(error).__name__, str(error), stack)


def fault(kind, message, stack=()):
    return {"errorMessage": message, "errorType": kind, "stackTrace": list(stack)}


main()
