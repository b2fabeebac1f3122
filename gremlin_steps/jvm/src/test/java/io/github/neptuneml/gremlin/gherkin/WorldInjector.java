package io.github.neptuneml.gremlin.gherkin;

import com.google.inject.Guice;
import com.google.inject.Injector;
import com.google.inject.Stage;
import io.cucumber.guice.CucumberModules;
import io.cucumber.guice.InjectorSource;
import org.apache.tinkerpop.gremlin.features.World;

/** Gives our {@link World} to TinkerPop's step definitions; named to Cucumber by {@code guice.injector-source}. */
public final class WorldInjector implements InjectorSource {

    @Override
    public Injector getInjector() {
        return Guice.createInjector(Stage.PRODUCTION, CucumberModules.createScenarioModule(),
                binder -> binder.bind(World.class).to(TinkerGraphWorld.class));
    }
}
