package io.github.neptuneml.gremlin.columns;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** Numbers one after the other, big-endian, in as many bytes as they take. */
final class Bytes {

    private ByteBuffer buffer = ByteBuffer.allocate(256);

    void putByte(final int value) {
        room(Byte.BYTES).put((byte) value);
    }

    void putShort(final short value) {
        room(Short.BYTES).putShort(value);
    }

    void putInt(final int value) {
        room(Integer.BYTES).putInt(value);
    }

    void putLong(final long value) {
        room(Long.BYTES).putLong(value);
    }

    void putFloat(final float value) {
        room(Float.BYTES).putFloat(value);
    }

    void putDouble(final double value) {
        room(Double.BYTES).putDouble(value);
    }

    private ByteBuffer room(final int bytes) {
        if (buffer.remaining() < bytes) buffer = ByteBuffer.allocate(2 * buffer.capacity()).put(buffer.flip());
        return buffer;
    }

    /** All that was put. TinkerPop's serializer writes the whole array behind a buffer, so there is nothing else in it. */
    ByteBuffer content() {
        return ByteBuffer.wrap(Arrays.copyOf(buffer.array(), buffer.position()));
    }
}
