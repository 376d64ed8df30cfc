"""Compares the decoders of consent strings with those of IAB Tech Lab. `python -m tests.compare_privacy_strings [COUNT]`.

Node encodes random strings and decodes them with `@iabtechlabtcf/core` and `@iabgpp/cmpapi`, installed into a temporary
folder; this is not a part of the test suite. Exits with 1 on a difference.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from cdp_pipelines.standardise import privacy_string

PACKAGES = ("@iabtechlabtcf/core@1.5.21", "@iabgpp/cmpapi@3.2.0")
GENERATOR = r"""
const lib = process.cwd() + "/node_modules/";
const {TCModel, TCString, PurposeRestriction, Segment} = require("@iabtechlabtcf/core");
const {SegmentEncoder} = require(lib + "@iabtechlabtcf/core/lib/cjs/encoder/SegmentEncoder.js");
const {GppModel} = require("@iabgpp/cmpapi");
const {RangeEntry} = require(lib + "@iabgpp/cmpapi/lib/cjs/encoder/datatype/RangeEntry.js");
let seed = 7;
const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
const below = n => Math.floor(random() * n);
const bits = (n, share) => Array.from({length: n}, (_, i) => i + 1).filter(() => random() < share);
const flags = n => Array.from({length: n}, () => random() < 0.5);
const vendors = () => {
  const ids = bits(below(900), [0.002, 0.05, 0.5][below(3)]);
  if (random() < 0.3) { const first = 1 + below(2000); for (let i = 0; i < below(300); i++) ids.push(first + i); }
  return [...new Set(ids)].sort((a, b) => a - b);
};
const ids = vector => { const found = []; vector.forEach((has, id) => { if (has) found.push(id); }); return found; };
const positions = list => list.map((has, i) => has ? i + 1 : 0).filter(i => i);
function tcString() {
  const model = new TCModel();
  model.version = 2; model.cmpId = 31; model.cmpVersion = 1; model.vendorListVersion = 100; model.consentScreen = 1;
  model.policyVersion = below(6); model.isServiceSpecific = random() < 0.5;
  model.created = model.lastUpdated = new Date(1.6e12 + 86400000 * below(1500));
  for (const name of ["purposeConsents", "purposeLegitimateInterests", "publisherConsents",
                      "publisherLegitimateInterests"]) model[name].set(bits(24, 0.5));
  model.specialFeatureOptins.set(bits(12, 0.5));
  for (const name of ["vendorConsents", "vendorLegitimateInterests", "vendorsDisclosed", "vendorsAllowed"])
    model[name].set(vendors());
  model.numCustomPurposes = below(20);
  for (const name of ["publisherCustomConsents", "publisherCustomLegitimateInterests"])
    model[name].set(bits(model.numCustomPurposes, 0.5));
  model.publisherRestrictions.gvl_ = {vendorIds: new Set(bits(3000, 1))};
  for (let i = 0; i < below(4); i++) {
    const restriction = new PurposeRestriction(1 + below(11), below(3));
    for (const vendor of vendors()) model.publisherRestrictions.add(vendor, restriction);
  }
  const kinds = [Segment.VENDORS_DISCLOSED, Segment.VENDORS_ALLOWED, Segment.PUBLISHER_TC].filter(() => random() < 0.5);
  const text = [Segment.CORE, ...kinds].map(kind => SegmentEncoder.encode(model, kind)).join(".");
  const found = TCString.decode(text);
  const restrictions = {};
  found.publisherRestrictions.getRestrictions().forEach(each => {
    restrictions[each.purposeId + ":" + each.restrictionType] = found.publisherRestrictions.getVendors(each);
  });
  return ["tcf", text, {
    created: found.created.getTime(), policy_version: found.policyVersion,
    special_features: ids(found.specialFeatureOptins), consents: ids(found.purposeConsents),
    legitimate_interests: ids(found.purposeLegitimateInterests), vendor_consents: ids(found.vendorConsents),
    vendor_legitimate_interests: ids(found.vendorLegitimateInterests), restrictions,
    disclosed_vendors: kinds.includes(Segment.VENDORS_DISCLOSED) ? ids(found.vendorsDisclosed) : null,
    publisher: kinds.includes(Segment.PUBLISHER_TC) ? {
      consents: ids(found.publisherConsents), legitimate_interests: ids(found.publisherLegitimateInterests),
      custom_consents: ids(found.publisherCustomConsents),
      custom_legitimate_interests: ids(found.publisherCustomLegitimateInterests)} : null}];
}
const entries = () => Array.from({length: below(3)}, () => new RangeEntry(1 + below(11), below(3), vendors()));
const merged = list => {
  const found = {};
  for (const each of list) { const key = each.getKey() + ":" + each.getType();
    found[key] = [...new Set([...(found[key] || []), ...each.getIds()])].sort((a, b) => a - b); }
  return found;
};
const STATES = {usnat: 7, usca: 8, usva: 9, usco: 10, usut: 11, usct: 12, usfl: 13, usmt: 14, usor: 15, ustx: 16,
  usde: 17, usia: 18, usne: 19, usnh: 20, usnj: 21, ustn: 22, usmn: 23, usmd: 24, usin: 25, usky: 26, usri: 27};
const OPT_OUTS = {SaleOptOut: "sale", SharingOptOut: "sharing", TargetedAdvertisingOptOut: "targeted_advertising"};
function gppString() {
  const model = new GppModel();
  const set = (section, name, value) => { try { model.setFieldValue(section, name, value); return true; }
                                         catch (error) { return false; } };
  if (random() < 0.4) {
    set("tcfeuv2", "PurposeConsents", flags(24)); set("tcfeuv2", "PurposeLegitimateInterests", flags(24));
    set("tcfeuv2", "VendorConsents", vendors()); set("tcfeuv2", "VendorLegitimateInterests", vendors());
    set("tcfeuv2", "VendorsDisclosed", vendors()); set("tcfeuv2", "PublisherConsents", flags(24));
    set("tcfeuv2", "PublisherRestrictions", entries());
  }
  if (random() < 0.4) {
    set("tcfcav1", "PurposesExpressConsent", flags(24)); set("tcfcav1", "PurposesImpliedConsent", flags(24));
    set("tcfcav1", "VendorExpressConsent", vendors()); set("tcfcav1", "VendorImpliedConsent", vendors());
    set("tcfcav1", "DisclosedVendors", vendors()); set("tcfcav1", "PubRestrictions", entries());
    set("tcfcav1", "PubPurposesExpressConsent", flags(24));
  }
  if (random() < 0.3) set("uspv1", "OptOutSale", "YN-"[below(3)]);
  for (const section of Object.keys(STATES)) if (random() < 0.2) {
    for (const name of Object.keys(OPT_OUTS)) set(section, name, below(3));
    set(section, "SensitiveDataProcessing", Array.from({length: {usnat: 16, usca: 9, usco: 7}[section] || 8}, () => below(3)));
    if (["usin", "usky", "usri"].includes(section)) set(section, "SensitiveDataConsentSegmentIncluded", random() < 0.5);
    if (set(section, "GpcSegmentIncluded", random() < 0.5)) set(section, "Gpc", random() < 0.3);
    if (section === "usnat") set(section, "Version", 1 + below(2));
  }
  const text = model.encode();
  const decoded = new GppModel(text), object = decoded.toObject();
  const chosen = new Set(), gpc = [];
  if (object.uspv1 && object.uspv1.OptOutSale === "Y") chosen.add("sale");
  for (const [section, id] of Object.entries(STATES)) if (object[section]) {
    for (const [name, optOut] of Object.entries(OPT_OUTS)) if (object[section][name] === 1) chosen.add(optOut);
    if (object[section].Gpc && decoded.getFieldValue(section, "GpcSegmentIncluded")) gpc.push(id);
  }
  const eu = object.tcfeuv2, canada = object.tcfcav1;
  const union = (a, b) => [...new Set([...a, ...b])].sort((x, y) => x - y);
  return ["gpp", text, {chosen_opt_outs: [...chosen].sort(), gpc_sections: gpc,
    tcf: eu ? {consents: positions(eu.PurposeConsents), legitimate_interests: positions(eu.PurposeLegitimateInterests),
      vendor_consents: eu.VendorConsents, vendor_legitimate_interests: eu.VendorLegitimateInterests,
      disclosed_vendors: eu.VendorsDisclosed, restrictions: merged(eu.PublisherRestrictions),
      publisher_consents: positions(eu.PublisherConsents)} : null,
    tcf_canada: canada ? {consents: positions(canada.PurposesExpressConsent),
      legitimate_interests: union(positions(canada.PurposesExpressConsent), positions(canada.PurposesImpliedConsent)),
      vendor_consents: canada.VendorExpressConsent,
      vendor_legitimate_interests: union(canada.VendorExpressConsent, canada.VendorImpliedConsent),
      disclosed_vendors: canada.DisclosedVendors.length ? canada.DisclosedVendors : null,
      restrictions: merged(canada.PubRestrictions),
      publisher_consents: positions(canada.PubPurposesExpressConsent)} : null}];
}
for (let i = 0; i < Number(process.argv[2]); i++) {
  console.log(JSON.stringify(tcString())); console.log(JSON.stringify(gppString()));
}
"""


def read_fields(kind: str, text: str) -> dict[str, object] | None:
    """The fields of one string, by our decoders, in the form of the generator; None where it is malformed."""
    if kind == "tcf":
        tcf = privacy_string.decode_tcf(text)
        if tcf is None or tcf["damaged_segments"]:
            return None
        fields = _read_vendors(tcf)
        del fields["publisher_consents"]
        publisher = tcf["publisher"]
        return fields | {
            "created": round(tcf["created"].timestamp() * 1000),
            "policy_version": tcf["policy_version"],
            "special_features": sorted(tcf["special_features"]),
            "publisher": publisher and {name: sorted(ids) for name, ids in publisher.items()},
        }
    gpp = privacy_string.decode_gpp(text)
    if gpp is None or gpp["unread_sections"]:
        return None
    return {
        "chosen_opt_outs": sorted(gpp["chosen_opt_outs"]),
        "gpc_sections": list(gpp["gpc_sections"]),
        "tcf": gpp["tcf"] and _read_vendors(gpp["tcf"]),
        "tcf_canada": gpp["tcf_canada"] and _read_vendors(gpp["tcf_canada"]),
    }


def _read_vendors(tcf: privacy_string.TcfConsent) -> dict[str, object]:
    disclosed, publisher = tcf["disclosed_vendors"], tcf["publisher"]
    return {
        "consents": sorted(tcf["consents"]),
        "legitimate_interests": sorted(tcf["legitimate_interests"]),
        "vendor_consents": list(tcf["vendor_consents"]),
        "vendor_legitimate_interests": list(tcf["vendor_legitimate_interests"]),
        "restrictions": {f"{purpose}:{kind}": list(ids) for (purpose, kind), ids in tcf["restrictions"].items()},
        "disclosed_vendors": None if disclosed is None else list(disclosed),
        "publisher_consents": sorted(publisher["consents"]) if publisher else None,
    }


def main() -> int:
    """Compare and print the counts; 1 where a string differs."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", *PACKAGES], cwd=folder, check=True)
        Path(folder, "generate.cjs").write_text(GENERATOR)
        command = ["node", "generate.cjs", str(count)]
        lines = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.splitlines()
    for line in lines:
        kind, text, expected = json.loads(line)
        found = read_fields(kind, text)
        counts[kind] += 1
        for name in expected:
            if found is None or found[name] != expected[name]:
                counts[f"{kind} differs in {name}"] += 1
                if counts[f"{kind} differs in {name}"] == 1:
                    print(f"{kind}.{name}: {text}\n  IAB:  {expected[name]}\n  ours: {found and found[name]}")
    for name, number in sorted(counts.items()):
        print(f"{name}: {number}")
    return int(any("differs" in name for name in counts))


if __name__ == "__main__":
    sys.exit(main())
