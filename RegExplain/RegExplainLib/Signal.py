class Signal:
    """Tells its listeners something happened. Plain Python, as PythonQt has no way to declare a Qt signal."""

    def __init__(self):
        self._listeners = []

    def connect(self, listener):
        self._listeners.append(listener)

    def disconnect(self, listener):
        self._listeners.remove(listener)

    def emit(self, *values):
        for listener in list(self._listeners):
            listener(*values)
