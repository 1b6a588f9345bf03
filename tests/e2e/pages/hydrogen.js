// The whole of Hydrogen, from login to logout, as its SDK offers it: /hydrogen.html?homeserver=URL

import { FeatureSet, Platform, RootViewModel, createNavigation, createRouter } from "hydrogen-view-sdk";

const platform = new Platform({
    container: document.querySelector("#app"),
    assetPaths: {
        downloadSandbox: "theme/download-sandbox.html",
        worker: "theme/main.js",
        olm: { wasm: "olm/olm.wasm", wasmBundle: "olm/olm.js", legacyBundle: "olm/olm_legacy.js" },
        serviceWorker: "sw.js",
    },
    config: { defaultHomeServer: new URLSearchParams(location.search).get("homeserver") },
});
const navigation = createNavigation();
platform.setNavigation(navigation);
await platform.init();
const urlRouter = createRouter({ navigation, history: platform.history });
urlRouter.attach();
const features = await FeatureSet.load(platform.settingsStorage);
const root = new RootViewModel({ platform, urlRouter, navigation, features });
await root.load();
platform.createAndMountRootView(root);
