package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.table.Tables;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What the JVM keeps of one endpoint at one artifact version. It hangs on the version's description and is gone with
 * it: when the endpoint is, or when another version has replaced it and no query has it pinned any longer.
 */
final class VersionMemory {
    private final Map<String, Tables.Slot> tables = new ConcurrentHashMap<>();
    private volatile AnswerCache answers;

    Tables.Slot table(final String label) {
        return tables.computeIfAbsent(label, key -> new Tables.Slot());
    }

    synchronized AnswerCache answers(final int limit) {
        if (answers == null) answers = new AnswerCache(limit);
        return answers;
    }
}
