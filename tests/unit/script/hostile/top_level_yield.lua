-- expect: refused yield
coroutine.yield()
