package io.github.neptuneml.gremlin.wire;

import java.io.ByteArrayOutputStream;

/** Bytes up to a limit; nothing is gathered that may not be sent. */
final class BoundedBytes extends ByteArrayOutputStream {

    private static final int MIB = 1024 * 1024;

    private final long most;

    BoundedBytes(final int expected, final long most) {
        super(expected);
        this.most = most;
    }

    @Override
    public synchronized void write(final int b) {
        check(1);
        super.write(b);
    }

    @Override
    public synchronized void write(final byte[] bytes, final int from, final int length) {
        check(length);
        super.write(bytes, from, length);
    }

    private void check(final int more) {
        if (size() + (long) more > most) throw new RequestTooLarge("'maxRequestMib' allows, which is " + most / MIB);
    }
}
