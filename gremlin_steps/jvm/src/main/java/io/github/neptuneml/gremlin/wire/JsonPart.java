package io.github.neptuneml.gremlin.wire;

import java.io.IOException;
import org.apache.tinkerpop.shaded.jackson.core.JsonGenerator;

/** A member of a request's {@code data} that writes its own value. */
public interface JsonPart {

    void write(JsonGenerator json) throws IOException;
}
