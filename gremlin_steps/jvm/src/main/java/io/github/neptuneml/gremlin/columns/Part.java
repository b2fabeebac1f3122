package io.github.neptuneml.gremlin.columns;

import io.github.neptuneml.gremlin.sampling.PropertyText;
import java.util.ArrayList;
import java.util.List;

/**
 * Values of one data type. Floating-point numbers travel as their bits, because their text depends on the JDK; all others
 * as text.
 */
abstract class Part {

    static Part of(final String dataType) {
        switch (dataType) {
            case "Double": return new Doubles();
            case "Float": return new Floats();
            default: return new Texts();
        }
    }

    /** Takes one more value and returns the number of characters or bytes that it takes. */
    abstract int add(Object value);

    /** A String or a ByteBuffer. */
    abstract Object encoded();

    private static final class Doubles extends Part {
        private final Bytes bytes = new Bytes();

        @Override
        int add(final Object value) {
            bytes.putDouble((Double) value);
            return Double.BYTES;
        }

        @Override
        Object encoded() {
            return bytes.content();
        }
    }

    private static final class Floats extends Part {
        private final Bytes bytes = new Bytes();

        @Override
        int add(final Object value) {
            bytes.putFloat((Float) value);
            return Float.BYTES;
        }

        @Override
        Object encoded() {
            return bytes.content();
        }
    }

    /** As one text, in which every value follows a separator: the first character, which none of them holds. */
    static final class Texts extends Part {
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
