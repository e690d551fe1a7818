import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.instance.model.api.IBaseResource;

/** Validates the resources of one folder with the definitions of another; a line for each issue, tabs between its parts. */
public class Validate {
  public static void main(String[] arguments) throws Exception {
    FhirContext context = FhirContext.forR4();
    PrePopulatedValidationSupport loaded = new PrePopulatedValidationSupport(context);
    for (Path file : filesOf(arguments[0])) {
      loaded.addResource((IBaseResource) context.newJsonParser().parseResource(Files.readString(file)));
    }
    ValidationSupportChain chain =
        new ValidationSupportChain(
            loaded,
            new DefaultProfileValidationSupport(context),
            new CommonCodeSystemsTerminologyService(context),
            new InMemoryTerminologyServerValidationSupport(context));
    FhirInstanceValidator instances = new FhirInstanceValidator(chain);
    instances.setAnyExtensionsAllowed(true);
    FhirValidator validator = context.newValidator().registerValidatorModule(instances);
    for (Path file : filesOf(arguments[1])) {
      for (SingleValidationMessage message : validator.validateWithResult(Files.readString(file)).getMessages()) {
        System.out.println(
            String.join(
                "\t",
                file.getFileName().toString(),
                String.valueOf(message.getSeverity()),
                String.valueOf(message.getMessageId()),
                String.valueOf(message.getLocationString()),
                String.valueOf(message.getMessage()).replaceAll("\\s+", " ")));
      }
      System.out.println(file.getFileName() + "\tDONE");
    }
  }

  private static List<Path> filesOf(String folder) throws Exception {
    try (Stream<Path> files = Files.list(Path.of(folder))) {
      return files.sorted().toList();
    }
  }
}
