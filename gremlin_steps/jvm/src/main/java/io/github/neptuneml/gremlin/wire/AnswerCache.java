package io.github.neptuneml.gremlin.wire;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What has been answered, by question and item, the most recent answers. */
final class AnswerCache {

    private static final int MOST = 200_000;

    private final Map<String, List<Answer>> answers = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(final Map.Entry<String, List<Answer>> eldest) {
            return size() > MOST;
        }
    };

    synchronized List<Answer> get(final String key) {
        return answers.get(key);
    }

    synchronized void put(final String key, final List<Answer> answer) {
        answers.put(key, answer);
    }
}
