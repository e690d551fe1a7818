// What tests/clients/test_fhir_kit_client.py runs: node fhir_kit.mjs BASE_URL TOKEN < BUNDLE; prints what it saw as JSON.
import { Client } from "fhir-kit-client";
import { readFileSync } from "node:fs";

const [baseUrl, token] = process.argv.slice(2);
const client = new Client({ baseUrl, bearerToken: token });
const seen = {};

seen.fhirVersion = (await client.capabilityStatement()).fhirVersion;
const answer = await client.transaction({ body: JSON.parse(readFileSync(0, "utf8")) });
seen.statuses = answer.entry.map((entry) => entry.response.status);
const patient = answer.entry[0].resource.id;

const plans = await client.search({
  resourceType: "CarePlan",
  searchParams: { patient, _include: "CarePlan:goal" },
});
seen.planKinds = plans.entry.map((entry) => entry.resource.resourceType);

seen.scores = [];
let page = await client.search({
  resourceType: "Observation",
  searchParams: { patient, _sort: "date", _count: "5" },
});
while (page) {
  seen.scores.push(...page.entry.map((entry) => entry.resource.valueQuantity.value));
  page = await client.nextPage({ bundle: page });
}

const goal = plans.entry[1].resource;
const updated = await client.update({
  resourceType: "Goal",
  id: goal.id,
  body: { ...goal, lifecycleStatus: "completed" },
  options: { headers: { "If-Match": 'W/"1"' } },
});
seen.version = updated.meta.versionId;

async function refusal(attempt) {
  try {
    await attempt();
    return "none";
  } catch (error) {
    return error.response?.status ?? String(error);
  }
}
seen.conflict = await refusal(() =>
  client.update({
    resourceType: "Goal",
    id: goal.id,
    body: { ...goal, lifecycleStatus: "cancelled" },
    options: { headers: { "If-Match": 'W/"1"' } },
  }),
);
const versions = await client.history({ resourceType: "Goal", id: goal.id });
seen.versions = versions.entry.map((entry) => entry.resource.meta.versionId);
await client.delete({ resourceType: "Goal", id: goal.id });
seen.gone = await refusal(() => client.read({ resourceType: "Goal", id: goal.id }));
console.log(JSON.stringify(seen));
