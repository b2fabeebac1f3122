package io.github.neptuneml.gremlin.columns;

import io.github.neptuneml.gremlin.sampling.PropertyText;
import java.util.ArrayList;
import java.util.List;

/** Values of one Java class or data type: numbers as their bits, all others as text. */
abstract class Part {

    /** For values of a class, which {@link Column#dataType} names. */
    static Part of(final String dataType) {
        switch (dataType) {
            case "Double": return new Doubles();
            case "Float": return new Floats();
            case "Long": return new Longs();
            case "Integer": return new Integers();
            case "Short": return new Shorts();
            case "Byte": return new SingleBytes();
            default: return new Texts();
        }
    }

    /** Takes one more value and returns the number of characters or bytes that it takes. */
    abstract int add(Object value);

    /** A String or a ByteBuffer. */
    abstract Object encoded();

    private abstract static class Numbers extends Part {
        final Bytes bytes = new Bytes();

        @Override
        final Object encoded() {
            return bytes.content();
        }
    }

    private static final class Doubles extends Numbers {
        @Override
        int add(final Object value) {
            bytes.putDouble((Double) value);
            return Double.BYTES;
        }
    }

    private static final class Floats extends Numbers {
        @Override
        int add(final Object value) {
            bytes.putFloat((Float) value);
            return Float.BYTES;
        }
    }

    private static final class Longs extends Numbers {
        @Override
        int add(final Object value) {
            bytes.putLong((Long) value);
            return Long.BYTES;
        }
    }

    private static final class Integers extends Numbers {
        @Override
        int add(final Object value) {
            bytes.putInt((Integer) value);
            return Integer.BYTES;
        }
    }

    private static final class Shorts extends Numbers {
        @Override
        int add(final Object value) {
            bytes.putShort((Short) value);
            return Short.BYTES;
        }
    }

    private static final class SingleBytes extends Numbers {
        @Override
        int add(final Object value) {
            bytes.putByte((Byte) value);
            return Byte.BYTES;
        }
    }

    /** As one text, in which every value follows a separator: the first character, which none of them holds. */
    private static final class Texts extends Part {
        private final List<String> texts = new ArrayList<>();
        private int characters;

        @Override
        int add(final Object value) {
            final String text = PropertyText.text(value);
            texts.add(text);
            characters += text.length();
            return text.length();
        }

        @Override
        Object encoded() {
            final char separator = separator();
            final StringBuilder all = new StringBuilder(characters + texts.size());
            for (final String text : texts) all.append(separator).append(text);
            return all.toString();
        }

        private char separator() {
            char candidate = 0;
            while (holds(candidate)) candidate++;
            return candidate;
        }

        private boolean holds(final char candidate) {
            for (int i = 0; i < texts.size(); i++) if (texts.get(i).indexOf(candidate) >= 0) return true;
            return false;
        }
    }
}
