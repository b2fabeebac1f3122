package io.github.neptuneml.gremlin.wire;

import java.util.Arrays;
import java.util.stream.Collectors;

/** Labels as the wire writes them: several parts ({@code Person::Admin}) sorted and joined with ';'. */
public final class Labels {

    private Labels() {
    }

    /** Whether a label is one that the wire writes so; asked of every element, and nearly always of one part. */
    public static boolean isOnWire(final String label, final String onWire) {
        return label.equals(onWire) || label.contains("::") && onWire(label).equals(onWire);
    }

    public static String onWire(final String label) {
        if (!label.contains("::")) return label;
        return Arrays.stream(label.split("::")).sorted().collect(Collectors.joining(";"));
    }
}
