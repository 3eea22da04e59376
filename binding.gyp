{
  # A thin door to the CMake build, for `node-gyp rebuild` and prebuildify. VECTUNE_ADDON names the addon
  # that ends in build/Release: engine (default) or loader. Not part of the npm package.
  "targets": [
    {
      "target_name": "vectune",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": [],
          "outputs": ["<(PRODUCT_DIR)/vectune.node"],
          "action": ["node", "scripts/gyp-door.mjs", "<(PRODUCT_DIR)/vectune.node"]
        }
      ]
    }
  ]
}
