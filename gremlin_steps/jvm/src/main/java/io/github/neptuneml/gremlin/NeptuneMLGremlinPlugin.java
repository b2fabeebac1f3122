package io.github.neptuneml.gremlin;

import io.github.neptuneml.gremlin.strategy.NeptuneMLStrategy;
import io.github.neptuneml.gremlin.wire.PredictionClient;
import java.util.List;
import java.util.Optional;
import org.apache.tinkerpop.gremlin.jsr223.Customizer;
import org.apache.tinkerpop.gremlin.jsr223.DefaultImportCustomizer;
import org.apache.tinkerpop.gremlin.jsr223.GremlinPlugin;

/**
 * Loads Neptune ML's query forms into a Gremlin Server ({@code plugins:} in its YAML) or a Gremlin Console
 * ({@code :plugin use neptune.ml}).
 *
 * <p>There is no {@code instance()}, because Gremlin Server would then prefer it and drop the configuration.
 */
public final class NeptuneMLGremlinPlugin implements GremlinPlugin {

    public static final String NAME = "neptune.ml";

    private static final Customizer[] IMPORTS = {
        DefaultImportCustomizer.build().addClassImports(NeptuneML.class).create()
    };

    private final boolean configured;

    /** For {@link java.util.ServiceLoader}; settings come from system properties and the environment. */
    public NeptuneMLGremlinPlugin() {
        this(false);
    }

    private NeptuneMLGremlinPlugin(final boolean configured) {
        this.configured = configured;
    }

    @Override
    public String getName() {
        return NAME;
    }

    /** Called when a host switches the plugin on; a mere listing of plugins changes nothing. */
    @Override
    public Optional<Customizer[]> getCustomizers(final String scriptEngineName) {
        if (!configured) StrategyRegistration.registerIfAbsent(() -> strategy(Settings.build().create()));
        return Optional.of(IMPORTS.clone());
    }

    private static NeptuneMLStrategy strategy(final Settings settings) {
        return new NeptuneMLStrategy(new PredictionClient(settings));
    }

    public static Builder build() {
        return new Builder();
    }

    /** What Gremlin Server fills from its YAML, a method per setting; see {@link Settings}. */
    public static final class Builder {

        private final Settings.Builder settings = Settings.build();

        private Builder() {
        }

        public Builder serviceUrl(final String url) {
            settings.serviceUrl(url);
            return this;
        }

        public Builder serviceToken(final String token) {
            settings.serviceToken(token);
            return this;
        }

        public Builder endpoint(final String name) {
            settings.endpoint(name);
            return this;
        }

        public Builder allowedUrls(final List<String> urls) {
            settings.allowedUrls(urls);
            return this;
        }

        public Builder tableLimitMib(final int mebibytes) {
            settings.tableLimitMib(mebibytes);
            return this;
        }

        public Builder pinReuseMillis(final int milliseconds) {
            settings.pinReuseMillis(milliseconds);
            return this;
        }

        public Builder maxRequestMib(final int mebibytes) {
            settings.maxRequestMib(mebibytes);
            return this;
        }

        public Builder cachedAnswers(final int answers) {
            settings.cachedAnswers(answers);
            return this;
        }

        public NeptuneMLGremlinPlugin create() {
            StrategyRegistration.register(strategy(settings.create()));
            return new NeptuneMLGremlinPlugin(true);
        }
    }
}
